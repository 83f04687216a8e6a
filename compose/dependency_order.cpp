#include "compose/dependency_order.h"

#include <cstddef>

namespace davit::compose {
namespace {

/// Where everything needs everything there are more circles than anybody can read.
constexpr std::size_t kMostCycles = 10;

}  // namespace

DependencyOrder dependency_order(const Needs& needs) {
    enum class Mark { Fresh, Open, Done };
    struct Visit {
        const std::string* name;
        const std::vector<std::string>* needs;
        std::size_t next = 0;
    };
    DependencyOrder result;
    std::map<std::string, Mark> marks;
    // Depth first with a stack of our own: a chain of services may be as long as the file.
    std::vector<Visit> stack;
    for (const auto& [root, root_needs] : needs) {
        if (marks[root] != Mark::Fresh) continue;
        marks[root] = Mark::Open;
        stack.push_back({&root, &root_needs});
        while (!stack.empty()) {
            Visit& visit = stack.back();
            if (visit.next == visit.needs->size()) {
                marks[*visit.name] = Mark::Done;
                result.order.push_back(*visit.name);
                stack.pop_back();
                continue;
            }
            const auto need = needs.find((*visit.needs)[visit.next++]);
            if (need == needs.end()) continue;
            Mark& mark = marks[need->first];
            if (mark == Mark::Fresh) {
                mark = Mark::Open;
                stack.push_back({&need->first, &need->second});
            } else if (mark == Mark::Open && result.cycles.size() < kMostCycles) {
                std::vector<std::string> cycle;
                bool inside = false;
                for (const Visit& open : stack) {
                    inside = inside || *open.name == need->first;
                    if (inside) cycle.push_back(*open.name);
                }
                result.cycles.push_back(std::move(cycle));
            }
        }
    }
    return result;
}

}  // namespace davit::compose
