#pragma once

#include "base/diagnostic.h"
#include "compose/document.h"
#include "compose/node_access.h"
#include "compose/project.h"

#include <initializer_list>
#include <map>
#include <string>

namespace davit::compose {

/// A canonical model as plain values. What can't be carried out on this host is said: a name that
/// can't be one, a signal that isn't there, a driver that davit doesn't have.
void bind_project(const Node& model, const std::map<std::string, std::string>& environment,
                  Project& project, Diagnostics& diagnostics);

// The parts of bind_project.
void bind_service(const Node& node, Service& service, Diagnostics& diagnostics);
void bind_lifecycle(const Node& node, Service& service, Diagnostics& diagnostics);
void bind_privileges(const Node& node, Service& service, Diagnostics& diagnostics);
/// `configs` and `secrets` of a service, which stand at the top of `model`.
void bind_files(const Node& model, const Node& node,
                const std::map<std::string, std::string>& environment, Service& service,
                Diagnostics& diagnostics);
/// Commands at turns of a container's life; `environment` has what a name alone stands for.
/// One hook; `environment` is the caller's.
Hook hook_of(const Node& node, const std::map<std::string, std::string>& environment);

void bind_hooks(const Node& node, const std::map<std::string, std::string>& environment,
                Service& service, Diagnostics& diagnostics);
void bind_health(const Node& node, Service& service, Diagnostics& diagnostics);
/// Devices, namespaces of others, terminal and block devices' limits.
void bind_devices(const Node& node, Service& service, Diagnostics& diagnostics);
void bind_sharing(const Node& node, Service& service, Diagnostics& diagnostics);
void bind_block_io(const Node& node, Service& service, Diagnostics& diagnostics);
/// Reads the profile that `security_opt: seccomp=FILE` names, against `folder`.
void bind_seccomp_profile(const Node& node, const std::string& folder, Service& service,
                          Diagnostics& diagnostics);
/// `networks`, `network_mode` and what else decides how the service is connected.
void bind_networks(const Node& node, Service& service, Diagnostics& diagnostics);
void bind_network_mode(const Node& node, Service& service, Diagnostics& diagnostics);
/// Once services and networks are bound: what the networks' drivers and modes mean to the services.
void settle_networks(const Node& model, Project& project, Diagnostics& diagnostics);
/// Once services are bound: the mounts that they have from each other.
void settle_volumes_from(const Node& model, Project& project, Diagnostics& diagnostics);
void bind_mounts(const Node& node, Service& service, Diagnostics& diagnostics);
void bind_ports(const Node& node, Service& service, Diagnostics& diagnostics);
void bind_volume(const Node& node, Volume& volume, Diagnostics& diagnostics);
void bind_network(const Node& node, Network& network, Diagnostics& diagnostics);

/// The items of a list of texts.
std::vector<std::string> texts_at(const Node& mapping, const char* key);
/// Refuses a driver that is not among the known ones.
void bind_driver(const Node& node, std::initializer_list<const char*> known, const char* what,
                 Diagnostics& diagnostics);

/// Whether the value at `key` is true.
bool true_at(const Node& mapping, std::string_view key);
/// A `name:`, checked; nothing where it can't be one.
std::string bind_name(const Node& mapping, std::string_view key, Diagnostics& diagnostics);
/// A Table as names and values; null is "".
std::map<std::string, std::string> bind_table(const Node* table);

}  // namespace davit::compose
