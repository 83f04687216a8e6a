#include "stack/events.h"

#include "base/duration.h"
#include "base/sys.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace davit::stack {
namespace {

using runtime::Status;
using TimePoint = std::chrono::system_clock::time_point;

TimePoint time_or(const std::string& text, TimePoint otherwise) {
    const auto time = parse_rfc3339(text);
    return time ? *time : otherwise;
}

ContainerEvent event_of(const char* action, const ContainerView& view, TimePoint time) {
    ContainerEvent event;
    event.action = action;
    event.time = time;
    event.record = view.record;
    return event;
}

ContainerEvent die_of(const ContainerView& view, TimePoint now) {
    const TimePoint end = time_or(view.state.finished_at, now);
    const TimePoint begin = time_or(view.state.started_at, end);
    ContainerEvent event = event_of("die", view, end);
    event.attributes["exitCode"] = fmt::format("{}", view.state.exit_code);
    event.attributes["execDuration"] =
        fmt::format("{}", std::chrono::duration_cast<std::chrono::seconds>(end - begin).count());
    return event;
}

bool alive(Status status) { return status == Status::Running || status == Status::Paused; }

/// What happened to one container that was there before and is there still.
void add_changes(const ContainerView& before, const ContainerView& after, TimePoint now,
                 std::vector<ContainerEvent>& events) {
    const runtime::ContainerState& was = before.state;
    const runtime::ContainerState& is = after.state;
    const bool another_run = was.started_at != is.started_at && !is.started_at.empty();
    const bool lived = alive(was.status);
    const bool died = lived && (another_run || !alive(is.status));
    if (died) {
        // Of a run that another one has followed already only that it ended is known.
        const bool last_is_known = was.finished_at != is.finished_at;
        events.push_back(last_is_known ? die_of(after, now) : event_of("die", after, now));
        if (is.stopped_by_user) events.push_back(event_of("stop", after, events.back().time));
    }
    if (another_run) {
        events.push_back(event_of("start", after, time_or(is.started_at, now)));
        if (!alive(is.status)) events.push_back(die_of(after, now));
    }
    if (another_run || died) return;
    if (was.status == Status::Running && is.status == Status::Paused)
        events.push_back(event_of("pause", after, now));
    if (was.status == Status::Paused && is.status == Status::Running)
        events.push_back(event_of("unpause", after, now));
}

/// Watches every folder in which something of the project may change.
class Watches {
public:
    static Result<Watches> create() {
        Watches watches;
        watches.fd_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        if (!watches.fd_) {
            const int error_number = errno;
            return Error::from_errno(error_number, "inotify_init1(2)");
        }
        return watches;
    }

    int fd() const { return fd_.get(); }

    /// Adds what is there now; folders that are watched already cost nothing.
    void add(const Paths& paths, const std::string& project) {
        watch(paths.data_root);
        watch(paths.projects());
        watch(paths.run_root);
        const std::vector<std::string> projects =
            project.empty() ? names_in(paths.projects()) : std::vector<std::string>{project};
        for (const std::string& name : projects) {
            watch(paths.project(name));
            watch(paths.containers(name));
            watch(paths.run_project(name));
            for (const std::string& container : names_in(paths.containers(name))) {
                watch(paths.container(name, container));
                watch(paths.run_container(name, container));
            }
        }
    }

    void drain() const {
        alignas(inotify_event) char buffer[4096];
        while (sys::retry_on_eintr([&] { return ::read(fd_.get(), buffer, sizeof buffer); }) > 0) {
        }
    }

private:
    static std::vector<std::string> names_in(const std::string& folder) {
        Result<std::vector<std::string>> names = list_directory(folder);
        return names ? *std::move(names) : std::vector<std::string>();
    }

    void watch(const std::string& folder) const {
        // One that is not there yet shows up in the one above it.
        (void)::inotify_add_watch(fd_.get(), folder.c_str(),
                                  IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ONLYDIR);
    }

    UniqueFd fd_ = {};
};

}  // namespace

Result<Standing> look_at(const Paths& paths, const std::string& project) {
    Standing standing;
    std::vector<ContainerView> views =
        TRY(project.empty() ? list_all_containers(paths) : list_containers(paths, project));
    for (ContainerView& view : views) {
        const std::string id = view.record.id;  // "": killed before its record was written
        if (!id.empty()) standing[id] = std::move(view);
    }
    return standing;
}

std::vector<ContainerEvent> changes(const Standing& before, const Standing& after, TimePoint now) {
    std::vector<ContainerEvent> events;
    for (const auto& [id, view] : after) {
        const auto known = before.find(id);
        if (known != before.end()) {
            add_changes(known->second, view, now, events);
            continue;
        }
        events.push_back(event_of("create", view, time_or(view.record.created, now)));
        ContainerView made = view;
        made.state = {};
        add_changes(made, view, now, events);
    }
    for (const auto& [id, view] : before) {
        if (after.contains(id)) continue;
        if (alive(view.state.status)) events.push_back(event_of("die", view, now));
        events.push_back(event_of("destroy", view, now));
    }
    std::stable_sort(events.begin(), events.end(),
                     [](const auto& a, const auto& b) { return a.time < b.time; });
    return events;
}

std::vector<ContainerEvent> past(const Standing& standing) {
    return changes({}, standing, std::chrono::system_clock::now());
}

Result<void> watch_events(const Paths& paths, const std::string& project, int wake_fd,
                          const std::function<bool(const ContainerEvent&)>& on_event) {
    Watches watches = TRY(Watches::create());
    watches.add(paths, project);
    Standing standing = TRY(look_at(paths, project));
    for (;;) {
        pollfd readable[] = {{watches.fd(), POLLIN, 0}, {wake_fd, POLLIN, 0}};
        sys::retry_on_eintr([&] { return ::poll(readable, 2, -1); });
        if (readable[1].revents != 0) return {};
        watches.drain();
        // First the watches, then the look: what comes in between is seen the next time.
        watches.add(paths, project);
        Standing next = TRY(look_at(paths, project));
        for (const ContainerEvent& event :
             changes(standing, next, std::chrono::system_clock::now()))
            if (!on_event(event)) return {};
        standing = std::move(next);
    }
}

}  // namespace davit::stack
