#pragma once

#include "base/json.h"
#include "base/result.h"
#include "base/unique_fd.h"

#include <sys/types.h>
#include <vector>

namespace davit::runtime {

/// Containers whose namespaces this one joins, as long as it matters that they live.
using Partners = std::vector<UniqueFd>;

/// Writes the paths of the namespaces into `config` that its annotations io.davit.join.* name by
/// the run folder of a container. With them comes that container's user namespace: what it owns can
/// be used from there only. `own`, where it isn't 0, is the init process of a run that goes on: it
/// is in all of them already, whatever has become of the others.
/// @errors NotFound where a container doesn't run
Result<Partners> resolve_joins(Json& config, pid_t own = 0);

/// Once the paths were opened: whether every partner still lives, so that each path was its own and
/// not that of a later process with its number.
Result<void> check_partners(const Partners& partners);

}  // namespace davit::runtime
