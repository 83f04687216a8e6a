#pragma once

#include "base/result.h"
#include "cli/context.h"
#include "image/registry_rules.h"

#include <string>
#include <vector>

/// What podman, skopeo and CRI-O are told of registries, which davit heeds too.
/// @source containers-registries.conf(5), version 2
namespace davit::cli {

inline constexpr const char* kContainersConf = "/etc/containers/registries.conf";

/// The `[[registry]]` tables of one file. A missing file is an empty one; keys that say nothing
/// about where images come from are passed over.
/// @errors InvalidInput for mistakes, with their place, and for files of version 1; System
Result<std::vector<image::RegistryRule>> read_containers_conf(const std::string& path);

/// Those of the file that CONTAINERS_REGISTRIES_CONF names, or of /etc/containers/registries.conf
/// and then the files of registries.conf.d beside it, in the order of their names: a later table
/// takes the place of an earlier one of the same prefix.
Result<std::vector<image::RegistryRule>> containers_rules(const Context& context);

}  // namespace davit::cli
