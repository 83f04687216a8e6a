#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/spec.h"

#include <sys/types.h>

namespace davit::runtime {

/// The namespaces that live as long as the guard, not as long as one run of the program: a restart
/// keeps its user range, its network with all addresses, its IPC objects and its host name. And
/// those that were made by others and are joined by path. Closed: the host's, or made anew with
/// each init process.
struct HeldNamespaces {
    UniqueFd user = {};
    UniqueFd network = {};
    UniqueFd ipc = {};
    UniqueFd uts = {};
    UniqueFd pid = {};
    UniqueFd mount = {};
    UniqueFd cgroup = {};
    UniqueFd time = {};
};

/// Makes or opens the namespaces that `spec` asks for, the user namespace first so that it owns the
/// others, and writes its id maps.
/// @errors PermissionDenied or Unsupported where user namespaces are off, naming the knob; NotFound
/// or InvalidInput where a path is no namespace of the right type
Result<HeldNamespaces> create_held_namespaces(const Spec& spec);

/// Those of a process that runs the container already: the ones that are not the host's, and not
/// made anew with each init process.
Result<HeldNamespaces> held_namespaces_of(pid_t pid, const Spec& spec);

/// A user namespace alone, with these maps; for idmapped mounts.
Result<UniqueFd> create_user_namespace(const std::vector<IdMapping>& uids,
                                       const std::vector<IdMapping>& gids);

}  // namespace davit::runtime
