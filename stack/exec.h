#pragma once

#include "base/json.h"
#include "base/result.h"
#include "stack/records.h"

#include <string>
#include <vector>

namespace davit::stack {

/// A further program in a container, as the user asks for it.
struct ExecRequest {
    std::vector<std::string> command = {};
    std::vector<std::string> env = {};  ///< NAME=value, over the container's.
    std::string user = {};              ///< Empty: the container's.
    std::string working_dir = {};       ///< Empty: the container's.
    bool terminal = false;
    bool privileged = false;  ///< All capabilities of the container's user namespace.
};

/// The OCI `process` object of the program; `config` is the container's configuration, from which
/// it has what is not asked for. @errors NotFound for a user that the container doesn't have
/// @source OCI runtime-spec config.md "process"; docker exec
Result<Json> exec_process(const ContainerRecord& record, const Json& config,
                          const ExecRequest& request);

}  // namespace davit::stack
