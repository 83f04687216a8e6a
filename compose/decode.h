#pragma once

#include "compose/schema.h"

#include <string>
#include <string_view>
#include <vector>

/// One function for each kind of mapping in a Compose file, and the seams between them.
namespace davit::compose {

/// A merged document as a project, as far as it can be made out; `project.name` and the folder are
/// set beforehand. References between its parts are validate()'s business.
void decode_project(DecodeContext& context, const Node& document, Project& project);

void decode_service(DecodeContext& context, const Field& field, Service& service);
void decode_volume(DecodeContext& context, const Field& field, const std::string& project,
                   Volume& volume);
void decode_network(DecodeContext& context, const Field& field, const std::string& project,
                    Network& network);
/// `x-davit`, of a service or at the top level.
void decode_extension(DecodeContext& context, const Field& field, std::string& data_root);

void decode_ports(DecodeContext& context, const Field& field, Service& service);
void decode_mounts(DecodeContext& context, const Field& field, Service& service);
/// `env_file` and `environment` of a service, given as a whole: the second wins over the first,
/// also by taking a variable away.
void decode_environment(DecodeContext& context, const Field& service_field, Service& service);
void decode_depends_on(DecodeContext& context, const Field& field, Service& service);
void decode_restart(DecodeContext& context, const Field& field, Service& service);
void decode_logging(DecodeContext& context, const Field& field, Service& service);
void decode_stop_signal(DecodeContext& context, const Field& field, Service& service);

void decode_mem_limit(DecodeContext& context, const Field& field, Service& service);
void decode_cpus(DecodeContext& context, const Field& field, Service& service);
void decode_pids_limit(DecodeContext& context, const Field& field, Service& service);
void decode_deploy(DecodeContext& context, const Field& field, Service& service);

/// SOURCE:TARGET:OPTIONS of a volume's short form, taken apart.
struct VolumeSpec {
    std::string source = {};  ///< Empty: anonymous.
    std::string target = {};
    std::vector<std::string> options = {};
    bool too_many_parts = false;
};
VolumeSpec split_volume_spec(std::string_view text);

}  // namespace davit::compose
