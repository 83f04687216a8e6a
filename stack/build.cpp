#include "stack/build.h"

#include "stack/build_runner.h"

#include <mutex>
#include <set>

namespace davit::stack {

Result<builder::BuildResult> build_image(
    const Environment& environment, const builder::BuildRequest& request,
    const std::function<void(const builder::BuildEvent&)>& on_event,
    const std::function<bool()>& cancelled, const BringImage& bring, Diagnostics& diagnostics) {
    std::mutex bringing;
    std::set<std::string> brought;
    BuildRunner runner(environment);
    builder::BuildHost host;
    host.data_root = environment.paths.data_root;
    host.runner = &runner;
    host.on_event = on_event;
    host.cancelled = cancelled;
    host.find_image = [&](const std::string& name) -> Result<image::Image> {
        const image::Store store = TRY(image::Store::open(environment.paths.data_root));
        if (request.pull && bring) {
            const std::lock_guard lock(bringing);
            if (brought.insert(name).second) TRY(bring(name));
            return store.find(name);
        }
        auto found = store.find(name);
        if (found || !bring || found.error().kind() != ErrorKind::NotFound) return found;
        const std::lock_guard lock(bringing);
        if (auto meanwhile = store.find(name)) return meanwhile;
        TRY(bring(name));
        return store.find(name);
    };
    return builder::build(host, request, diagnostics);
}

}  // namespace davit::stack
