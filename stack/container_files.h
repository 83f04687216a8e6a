#pragma once

#include "base/result.h"
#include "compose/project.h"
#include "stack/records.h"
#include "stack/users.h"

#include <cstdint>
#include <string>

/// Configs and secrets of a container as files of its run folder.
namespace davit::stack {

/// Writes them; owners that the file doesn't name are `user`'s. `uid_base`: first id of the
/// container's range. Those that are there are replaced in place: a container may have them.
Result<void> write_container_files(const std::string& run_dir, std::uint32_t uid_base,
                                   const ResolvedUser& user, const compose::Service& service);

/// Who the program of a container runs as, from its OCI configuration.
Result<ResolvedUser> user_of_bundle(const std::string& bundle);

/// Whether a volume that is empty gets what the image has at its place.
bool fills(const compose::Service& service, const MountRecord& mount);

}  // namespace davit::stack
