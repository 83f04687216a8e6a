#pragma once

#include "base/diagnostic.h"
#include "compose/loader.h"

#include <cstdint>
#include <string>
#include <vector>

namespace davit::compose {

/// One entry of `develop.watch`. @source Compose spec develop.md
struct WatchRule {
    enum class Action : std::uint8_t { Sync, Rebuild, Restart, SyncRestart, SyncExec };

    std::string service = {};
    Action action = Action::Sync;
    std::string path = {};                  ///< Absolute; a file or a folder.
    std::string target = {};                ///< In the container.
    std::string context = {};               ///< Of the service's build, whose .dockerignore counts.
    std::vector<std::string> ignore = {};   ///< Patterns, relative to `path`.
    std::vector<std::string> include = {};  ///< The same; empty: everything.
    bool initial_sync = false;
    Hook exec = {};  ///< Of SyncExec.

    bool syncs() const { return action != Action::Rebuild && action != Action::Restart; }
};

/// The rules of the services `names`, all services where it is empty, in the order of the file.
std::vector<WatchRule> find_watch_rules(const LoadedProject& loaded,
                                        const std::vector<std::string>& names);

}  // namespace davit::compose
