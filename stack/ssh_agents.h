#pragma once

#include "base/result.h"

#include <map>
#include <string>
#include <vector>

namespace davit::stack {

/// Reads `--ssh` and `build.ssh`: "default" and "ID" mean the agent of the environment, whose
/// socket `own` is; "ID=SOCKET" another one. Returns sockets by id. @source docker build --ssh
/// @errors InvalidInput where there is no agent; Unsupported for a key file
Result<std::map<std::string, std::string>> parse_ssh(const std::vector<std::string>& words,
                                                     const std::string& own);

}  // namespace davit::stack
