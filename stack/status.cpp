#include "stack/status.h"

#include "base/parallel.h"
#include "base/strings.h"
#include "stack/boot.h"

#include <algorithm>

namespace davit::stack {
namespace {

void sort_by_name(std::vector<ContainerView>& views) {
    std::sort(views.begin(), views.end(), [](const ContainerView& a, const ContainerView& b) {
        return a.record.name < b.record.name;
    });
}

Error no_such_container(const std::string& text, const std::vector<ContainerView>& views) {
    std::vector<std::string> names;
    for (const ContainerView& view : views) names.push_back(view.record.name);
    Error error(ErrorKind::NotFound, fmt::format("no container '{}'", printable(text)));
    const std::optional<std::string> near = nearest(text, names);
    return near ? std::move(error).help(fmt::format("the nearest name is '{}'", *near))
                : std::move(error).help("see 'davit ps -a' for those that are there");
}

/// The one of `views` whose id begins with `text`; nothing where none does.
Result<std::optional<ContainerView>> find_by_id(const std::vector<ContainerView>& views,
                                                const std::string& text) {
    std::optional<ContainerView> found;
    if (text.empty()) return found;
    for (const ContainerView& view : views) {
        if (!view.record.id.starts_with(text)) continue;
        if (found)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' is the beginning of more than one container id", text))
                .help("give more digits of it, or the container's name");
        found = view;
    }
    return found;
}

/// The state is of this boot of the machine; how the last run ended is known beyond it.
void recall_end(const Paths& paths, ContainerView& view) {
    runtime::ContainerState& state = view.state;
    if (state.status != runtime::Status::Created || state.guard_pid != 0) return;
    const Ended ended = read_ended(paths, view.record);
    if (!ended.told) return;
    state.status = runtime::Status::Exited;
    state.exit_code = ended.exit_code;
    state.finished_at = ended.finished_at;
}

}  // namespace

Result<std::vector<ContainerView>> list_containers(const Paths& paths, const std::string& project) {
    std::vector<ContainerView> views;
    for (auto& [name, record] : TRY(read_containers(paths, project)))
        views.emplace_back().record = std::move(record);
    const auto look_at = [&](std::size_t i) -> Result<void> {
        ContainerView& view = views[i];
        view.state = TRY(runtime::observe_state(paths.run_container(project, view.record.name)));
        view.supervised = runtime::guard_alive(view.state);
        recall_end(paths, view);
        return {};
    };
    TRY(in_parallel(views.size(), kWorthAThread, look_at));
    sort_by_name(views);
    return views;
}

Result<std::vector<ContainerView>> list_all_containers(const Paths& paths) {
    std::vector<ContainerView> all;
    for (const std::string& project : TRY(list_projects(paths))) {
        std::vector<ContainerView> views = TRY(list_containers(paths, project));
        std::move(views.begin(), views.end(), std::back_inserter(all));
    }
    sort_by_name(all);
    return all;
}

Result<ContainerView> find_container(const Paths& paths, const std::string& project,
                                     const std::string& text) {
    const std::vector<ContainerView> all = TRY(list_all_containers(paths));
    const auto first = [&](auto&& matches) {
        return std::find_if(all.begin(), all.end(), matches);
    };
    const auto in_project = [&](const ContainerView& view) {
        return !project.empty() && view.record.project == project;
    };
    // A name means the project's own container before anyone else's, and a service of the project
    // before an id that happens to begin like it.
    auto found = first(
        [&](const ContainerView& view) { return in_project(view) && view.record.name == text; });
    if (found == all.end())
        found = first([&](const ContainerView& view) { return view.record.name == text; });
    if (found != all.end()) return *found;
    const ContainerView* of_service = nullptr;
    for (const ContainerView& view : all) {
        if (!in_project(view) || view.record.service != text || view.record.one_off) continue;
        if (of_service == nullptr || view.record.number < of_service->record.number)
            of_service = &view;
    }
    if (of_service != nullptr) return *of_service;
    std::optional<ContainerView> by_id = TRY(find_by_id(all, text));
    if (by_id) return *std::move(by_id);
    return no_such_container(text, all);
}

}  // namespace davit::stack
