#pragma once

#include "runtime/state.h"
#include "stack/records.h"

#include <optional>
#include <string>
#include <vector>

namespace davit::stack {

/// One container as the views see it: what was written down and what the kernel says now.
struct ContainerView {
    ContainerRecord record = {};
    runtime::ContainerState state = {};
    bool supervised = false;  ///< Its guard lives.
};

/// The containers of one project, sorted by name. Takes no lock.
Result<std::vector<ContainerView>> list_containers(const Paths& paths, const std::string& project);

/// The containers of all projects of the data root, sorted by name.
Result<std::vector<ContainerView>> list_all_containers(const Paths& paths);

/// The container that `text` means: its name, an unambiguous beginning of its id, or, within
/// `project`, the name of a service (its first container).
/// @errors NotFound, InvalidInput where it is ambiguous
Result<ContainerView> find_container(const Paths& paths, const std::string& project,
                                     const std::string& text);

}  // namespace davit::stack
