#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/spec.h"

namespace davit::runtime {

/// The namespaces that live as long as the guard, not as long as one run of the program: a restart
/// keeps its user range, its network with all addresses, its IPC objects and its host name.
struct HeldNamespaces {
    UniqueFd user = {};  ///< Closed where the container has the host's.
    UniqueFd network = {};
    UniqueFd ipc = {};
    UniqueFd uts = {};
};

/// Makes the namespaces that `spec` asks for, the user namespace first so that it owns the others,
/// and writes its id maps.
/// @errors PermissionDenied or Unsupported where user namespaces are off, naming the knob
Result<HeldNamespaces> create_held_namespaces(const Spec& spec);

/// A user namespace alone, with these maps; for idmapped mounts.
Result<UniqueFd> create_user_namespace(const std::vector<IdMapping>& uids,
                                       const std::vector<IdMapping>& gids);

}  // namespace davit::runtime
