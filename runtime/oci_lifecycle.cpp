#include "base/log.h"
#include "base/strings.h"
#include "base/sys.h"
#include "runtime/capabilities.h"
#include "runtime/freezer.h"
#include "runtime/hooks.h"
#include "runtime/oci_commands.h"
#include "runtime/oci_store.h"
#include "runtime/systemd_scope.h"

#include <cerrno>
#include <csignal>
#include <fmt/format.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

constexpr int kWaitForEndMs = 10000;

Result<OciContainer> load_only(const OciGlobals& globals, const OciArguments& arguments) {
    const std::string id = TRY(only_id(arguments));
    return OciContainer::load(globals.root, id);
}

Error not_in_state(const OciContainer& container, const char* wanted) {
    return Error(ErrorKind::Busy, fmt::format("container '{}' is {}, not {}", container.id(),
                                              to_string(container.status()), wanted));
}

pid_t visible_pid(const OciContainer& container, OciStatus status) {
    return status == OciStatus::Stopped || status == OciStatus::Creating ? 0 : container.pid();
}

Json row_of(const OciContainer& container) {
    const OciStatus status = container.status();
    const Result<Spec> spec = container.spec();
    Json row = {{"ociVersion", spec ? spec->version : std::string()},
                {"id", container.id()},
                {"pid", visible_pid(container, status)},
                {"status", to_string(status)},
                {"bundle", spec ? spec->bundle : std::string()},
                {"rootfs", spec ? spec->root_path : std::string()},
                {"created", container.created()},
                {"owner", "root"}};
    if (spec && !spec->annotations.empty()) row["annotations"] = spec->annotations;
    return row;
}

/// Without a pid namespace its end doesn't end the others.
Result<void> kill_init(const OciContainer& container, int signal) {
    const UniqueFd process = TRY(container.open_process());
    TRY(sys::pidfd_send_signal(process, signal));
    if (signal != SIGKILL) return {};
    const Spec spec = TRY(container.spec());
    return spec.namespaces.pid ? Result<void>() : Cgroup::at(spec.cgroups_path).kill_all();
}

Result<void> force_end(const OciContainer& container) {
    const Result<Cgroup> cgroup = container.cgroup();
    if (cgroup) (void)cgroup->kill_all();
    const Result<UniqueFd> process = container.open_process();
    if (!process) return {};
    TRY(sys::pidfd_send_signal(*process, SIGKILL));
    const bool ended = TRY(sys::wait_for_exit(*process, kWaitForEndMs));
    if (!ended)
        return Error(ErrorKind::TimedOut, fmt::format("container '{}' does not end within {} s",
                                                      container.id(), kWaitForEndMs / 1000));
    return {};
}

}  // namespace

Result<std::string> only_id(const OciArguments& arguments) {
    if (arguments.words().size() == 1) return arguments.words().front();
    return Error(ErrorKind::InvalidInput,
                 fmt::format("one container id is wanted, not {} words", arguments.words().size()));
}

void print(const std::string& text) {
    std::string_view rest = text;
    while (!rest.empty()) {
        const ssize_t put =
            sys::retry_on_eintr([&] { return ::write(STDOUT_FILENO, rest.data(), rest.size()); });
        if (put <= 0) return;
        rest.remove_prefix(static_cast<std::size_t>(put));
    }
}

Result<void> destroy(const OciContainer& container) {
    const Result<Spec> spec = container.spec();
    if (spec) {
        const Cgroup cgroup = Cgroup::at(spec->cgroups_path);
        (void)cgroup.kill_all();
        TRY(cgroup.remove());
        if (const auto unit = spec->annotations.find(kSystemdUnit); unit != spec->annotations.end())
            stop_scope(unit->second);
    }
    TRY(container.forget());
    if (!spec) return {};
    // Their failure is told, and keeps nothing, the next one included: the container is gone.
    const Json state = state_json(*spec, "stopped", 0);
    for (const SpecHook& hook : spec->hooks.poststop) {
        if (const Result<void> done = run_hooks({hook}, state, "poststop"); !done)
            log::warn("runtime", "{}, ignoring", done.error().to_string());
    }
    return {};
}

Result<int> oci_state(const OciGlobals& globals, const OciWords& words) {
    const OciArguments arguments = TRY(OciArguments::parse(words, {}, false));
    const OciContainer container = TRY(load_only(globals, arguments));
    print(row_of(container).dump(2) + "\n");
    return 0;
}

Result<int> oci_kill(const OciGlobals& globals, const OciWords& words) {
    const OciArguments arguments = TRY(OciArguments::parse(words, {{"all", 'a', false}}, false));
    if (arguments.words().empty() || arguments.words().size() > 2)
        return Error(ErrorKind::InvalidInput, "kill takes a container id and a signal");
    const OciContainer container = TRY(OciContainer::load(globals.root, arguments.words()[0]));
    const std::string name = arguments.words().size() == 2 ? arguments.words()[1] : "TERM";
    const std::optional<int> signal = signal_number(name);
    if (!signal)
        return Error(ErrorKind::InvalidInput, fmt::format("unknown signal '{}'", name))
            .help("use a name such as SIGTERM, or a number");
    if (!arguments.has("all")) {
        TRY(kill_init(container, *signal));
        return 0;
    }
    const Cgroup cgroup = TRY(container.cgroup());
    if (*signal == SIGKILL) {
        TRY(cgroup.kill_all());
        return 0;
    }
    for (const pid_t pid : cgroup.processes()) ::kill(pid, *signal);
    return 0;
}

Result<int> oci_delete(const OciGlobals& globals, const OciWords& words) {
    const OciArguments arguments = TRY(OciArguments::parse(words, {{"force", 'f', false}}, false));
    const std::string id = TRY(only_id(arguments));
    const bool force = arguments.has("force");
    const Result<OciContainer> container = OciContainer::load(globals.root, id);
    if (!container && force && container.error().kind() == ErrorKind::NotFound) return 0;
    if (!container) return container.error();
    const FileLock lock = TRY(container->lock());
    if (force)
        TRY(force_end(*container));
    else if (container->status() != OciStatus::Stopped)
        return not_in_state(*container, "stopped").help("kill it first, or use --force");
    TRY(destroy(*container));
    return 0;
}

Result<int> oci_pause(const OciGlobals& globals, const OciWords& words) {
    const OciArguments arguments = TRY(OciArguments::parse(words, {}, false));
    const OciContainer container = TRY(load_only(globals, arguments));
    if (container.status() != OciStatus::Running && container.status() != OciStatus::Created)
        return not_in_state(container, "running");
    const Cgroup cgroup = TRY(container.cgroup());
    TRY(set_frozen(cgroup.path(), true));
    return 0;
}

Result<int> oci_resume(const OciGlobals& globals, const OciWords& words) {
    const OciArguments arguments = TRY(OciArguments::parse(words, {}, false));
    const OciContainer container = TRY(load_only(globals, arguments));
    if (container.status() != OciStatus::Paused) return not_in_state(container, "paused");
    const Cgroup cgroup = TRY(container.cgroup());
    TRY(set_frozen(cgroup.path(), false));
    return 0;
}

Result<int> oci_list(const OciGlobals& globals, const OciWords& words) {
    const OciArguments arguments =
        TRY(OciArguments::parse(words, {{"format", 'f'}, {"quiet", 'q', false}}, false));
    const std::vector<std::string> ids = TRY(OciContainer::list(globals.root));
    Json rows = Json::array();
    for (const std::string& id : ids) {
        const Result<OciContainer> container = OciContainer::load(globals.root, id);
        if (container) rows.push_back(row_of(*container));  // else it was deleted meanwhile
    }
    const std::string format = arguments.value("format", "table");
    if (format != "table" && format != "json")
        return Error(ErrorKind::InvalidInput, fmt::format("unknown format '{}'", format))
            .help("use table or json");
    std::string text;
    if (arguments.has("quiet")) {
        for (const std::string& id : ids) text += id + "\n";
    } else if (format == "json") {
        text = rows.dump() + "\n";
    } else {
        text = fmt::format("{:<24} {:<8} {:<8} {:<32} {:<24} {}\n", "ID", "PID", "STATUS", "BUNDLE",
                           "CREATED", "OWNER");
        for (const Json& row : rows)
            text += fmt::format(
                "{:<24} {:<8} {:<8} {:<32} {:<24} {}\n", row.at("id").get<std::string>(),
                row.at("pid").get<pid_t>(), row.at("status").get<std::string>(),
                row.at("bundle").get<std::string>(), row.at("created").get<std::string>(), "root");
    }
    print(text);
    return 0;
}

}  // namespace davit::runtime
