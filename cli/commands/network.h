#pragma once

#include "base/result.h"
#include "cli/context.h"

#include <string>
#include <vector>

namespace CLI {
class App;
}

/// `davit network …`, as `docker network …` has it; see commands.h.
namespace davit::cli {

struct NetworkListFlags {
    bool quiet = false;
    bool no_trunc = false;
    std::string format = "table";
    std::vector<std::string> filters = {};
};

struct NetworkInspectFlags {
    std::string format = {};
    std::vector<std::string> names = {};
};

struct NetworkCreateFlags {
    std::string name = {};
    std::string driver = "bridge";
    std::vector<std::string> subnets = {};
    std::vector<std::string> gateways = {};
    std::vector<std::string> ranges = {};
    std::vector<std::string> reserved = {};  ///< NAME=ADDRESS
    std::vector<std::string> labels = {};
    std::vector<std::string> options = {};
    bool internal = false;
    bool attachable = false;  ///< Accepted, without effect.
    bool ipv6 = false;
};

struct NetworkRemoveFlags {
    bool force = false;
    std::vector<std::string> names = {};
};

struct NetworkPruneFlags {
    bool force = false;
};

/// Loads the packet rules of this host again.
struct NetworkReloadFlags {};

void declare(CLI::App& command, NetworkListFlags& flags);
void declare(CLI::App& command, NetworkInspectFlags& flags);
void declare(CLI::App& command, NetworkCreateFlags& flags);
void declare(CLI::App& command, NetworkRemoveFlags& flags);
void declare(CLI::App& command, NetworkPruneFlags& flags);
void declare(CLI::App& command, NetworkReloadFlags& flags);

Result<int> run(const Context& context, const NetworkListFlags& flags);
Result<int> run(const Context& context, const NetworkInspectFlags& flags);
Result<int> run(const Context& context, const NetworkCreateFlags& flags);
Result<int> run(const Context& context, const NetworkRemoveFlags& flags);
Result<int> run(const Context& context, const NetworkPruneFlags& flags);
Result<int> run(const Context& context, const NetworkReloadFlags& flags);

}  // namespace davit::cli
