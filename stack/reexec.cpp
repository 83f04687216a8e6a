#include "stack/reexec.h"

#include "runtime/guard_client.h"
#include "stack/status.h"

namespace davit::stack {

Result<Reexecuted> reexec_guards(const Paths& paths, const std::string& program) {
    Reexecuted result;
    const std::vector<ContainerView> views = TRY(list_all_containers(paths));
    for (const ContainerView& view : views) {
        if (!view.supervised) continue;
        const Result<bool> done =
            runtime::renew(paths.run_container(view.record.project, view.record.name), program);
        if (!done)
            result.left.push_back(
                fmt::format("{}: {}", view.record.name, done.error().to_string()));
        else if (*done)
            ++result.renewed;
        else
            ++result.current;
    }
    return result;
}

}  // namespace davit::stack
