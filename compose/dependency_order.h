#pragma once

#include <map>
#include <string>
#include <vector>

namespace davit::compose {

/// What each thing needs, by name. Names that are no key themselves don't count.
using Needs = std::map<std::string, std::vector<std::string>>;

struct DependencyOrder {
    std::vector<std::string> order = {};  ///< Every name, after all that it needs.
    /// Circles that were found, each from the name where it was entered; their closing step is left
    /// out of `order`'s promise.
    std::vector<std::vector<std::string>> cycles = {};
};

/// The same for the same needs, byte for byte. Pure.
DependencyOrder dependency_order(const Needs& needs);

}  // namespace davit::compose
