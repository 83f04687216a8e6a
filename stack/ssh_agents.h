#pragma once

#include "base/result.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace davit::stack {

class KeyAgent;

/// The agents that `RUN --mount=type=ssh` and git(1) may ask.
struct SshAgents {
    std::map<std::string, std::string> sockets = {};  ///< By id.
    /// Those of our own, with the keys of files; they end with the last copy.
    std::vector<std::shared_ptr<const KeyAgent>> own = {};
};

/// What `--ssh` and `build.ssh` are read with.
struct SshPlace {
    std::string socket = {};    ///< Of the agent of the environment; may be empty.
    std::string run_root = {};  ///< Where the socket of an agent of our own is made.
    std::string folder = {};    ///< Relative paths begin here.
};

/// Reads `--ssh` and `build.ssh`: "default" and "ID" mean the agent of the environment, "ID=SOCKET"
/// another one, and "ID=KEY,KEY" starts one, ssh-agent(1), that has these private keys alone.
/// @source docker build --ssh
/// @errors InvalidInput where there is no agent or the files are no keys; NotFound
Result<SshAgents> open_ssh_agents(const std::vector<std::string>& words, const SshPlace& place);

}  // namespace davit::stack
