#include "base/file.h"
#include "base/log.h"
#include "base/scope_guard.h"
#include "base/strings.h"
#include "base/sys.h"
#include "runtime/container.h"
#include "runtime/foreground.h"
#include "runtime/hooks.h"
#include "runtime/oci_commands.h"
#include "runtime/oci_store.h"
#include "runtime/own_program.h"
#include "runtime/seccomp_listener.h"
#include "runtime/spec_json.h"
#include "runtime/systemd_scope.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

const std::vector<OciFlag>& create_flags() {
    static const std::vector<OciFlag> kFlags = {{"bundle", 'b'},
                                                {"console-socket"},
                                                {"pid-file"},
                                                {"preserve-fds"},
                                                {"detach", 'd', false},
                                                {"keep", '\0', false},
                                                {"no-pivot", '\0', false},
                                                {"no-new-keyring", '\0', false},
                                                {"no-subreaper", '\0', false}};
    return kFlags;
}

Result<std::string> bundle_folder(const OciArguments& arguments) {
    char resolved[PATH_MAX];
    const std::string given = arguments.value("bundle", ".");
    if (::realpath(given.c_str(), resolved) == nullptr)
        return Error::from_errno(errno, "realpath(3)").doing("find the bundle '{}'", given);
    return std::string(resolved);
}

/// The configuration with a clean path of a cgroup: one that is relative is below ours. Where
/// systemd is to make it, its name stays for later.
Result<Json> read_config(const std::string& bundle, const std::string& id, bool systemd) {
    Json config = TRY(read_json(bundle + "/config.json"));
    if (!config.is_object() || !config.contains("linux") || !config["linux"].is_object())
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}/config.json' has no 'linux' object", bundle));
    std::string path = string_or(config["linux"], "cgroupsPath");
    if (systemd) {
        const SystemdScope scope = TRY(parse_systemd_path(path, id));
        config["annotations"][kSystemdUnit] = scope.unit;
        config["annotations"][kSystemdSlice] = scope.slice;
        config["linux"]["cgroupsPath"] = scope.path;
        return config;
    }
    if (path.empty()) path = id;
    if (!path.starts_with('/')) path = "/davit/oci/" + path;
    config["linux"]["cgroupsPath"] = clean_path(path);
    return config;
}

/// Has systemd make the cgroup, and takes its place into the configuration.
Result<ScopeHolder> start_scope(Json& config, Spec& spec) {
    const auto unit = spec.annotations.find(kSystemdUnit);
    if (unit == spec.annotations.end()) return ScopeHolder();
    SystemdScope scope{spec.annotations.at(kSystemdSlice), unit->second, spec.cgroups_path};
    const bool v2 = find_cgroup_mounts().layout == CgroupLayout::V2;
    ScopeHolder holder = TRY(ScopeHolder::start(scope, spec.resources, v2));
    spec.cgroups_path = scope.path;
    config["linux"]["cgroupsPath"] = scope.path;
    return holder;
}

/// How many descriptors from 3 on the program gets; those of socket activation are counted in.
Result<unsigned> preserved(const OciArguments& arguments, Spec& spec) {
    const auto number = parse_integer(arguments.value("preserve-fds", "0"));
    if (!number || *number < 0 || *number > 1024)
        return Error(ErrorKind::InvalidInput, "--preserve-fds takes a number from 0 to 1024");
    const char* listen = std::getenv("LISTEN_FDS");
    const long long sockets = listen == nullptr ? 0 : parse_integer(listen).value_or(0);
    if (sockets > 0 && sockets <= 1024) {
        spec.env.push_back(fmt::format("LISTEN_FDS={}", sockets));
        spec.env.emplace_back("LISTEN_PID=1");
    }
    return static_cast<unsigned>(*number + std::max(0LL, std::min(sockets, 1024LL)));
}

Result<Channels> make_channels(const OciContainer& container) {
    for (const std::string& fifo : {container.start_fifo(), container.report_fifo()}) {
        if (::mkfifo(fifo.c_str(), 0600) == -1)
            return Error::from_errno(errno, "mkfifo(3)").doing("make '{}'", fifo);
    }
    Channels channels;
    // Open for both, so that opening waits for nobody, and the init process waits for a word even
    // when the process that made it is gone.
    channels.child_start = TRY(sys::open(container.start_fifo(), O_RDWR));
    channels.start = TRY(sys::open(container.start_fifo(), O_RDWR));
    channels.child_report = TRY(sys::open(container.report_fifo(), O_RDWR));
    channels.report = TRY(sys::open(container.report_fifo(), O_RDONLY));
    return channels;
}

struct Made {
    OciContainer stored;
    Container container;
    UniqueFd terminal;  ///< Our end, where nobody else wants it.
};

/// A socket that a terminal comes through, and who it comes to: the caller's, or ourselves.
struct Console {
    UniqueFd child;
    UniqueFd ours;
};

Result<Console> open_console(const OciArguments& arguments, const Spec& spec, bool foreground) {
    Console console;
    const std::string path = arguments.value("console-socket");
    if (!path.empty()) {
        console.child = TRY(connect_stream(path));
    } else if (spec.terminal && foreground) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
            return Error::from_errno(errno, "socketpair(2)");
        console.ours.reset(ends[0]);
        console.child.reset(ends[1]);
    }
    return console;
}

Result<Made> make(const OciGlobals& globals, const OciArguments& arguments, bool foreground) {
    const std::string id = TRY(only_id(arguments));
    if (arguments.has("no-pivot"))
        return Error(ErrorKind::Unsupported,
                     "--no-pivot is not supported: the host's mounts could be reached");
    const std::string bundle = TRY(bundle_folder(arguments));
    Json config = TRY(read_config(bundle, id, globals.systemd_cgroup));
    if (arguments.has("no-new-keyring")) config["annotations"][kKeepKeyring] = "yes";
    Spec spec = TRY_DOING(parse_spec(config), "read '{}/config.json'", bundle);
    spec.id = id;
    spec.bundle = bundle;
    spec.root_path = join_path(bundle, spec.root_path);
    if (!spec.namespaces.user) TRY(execute_read_only());
    const unsigned keep = TRY(preserved(arguments, spec));
    Console console = TRY(open_console(arguments, spec, foreground));

    OciContainer stored = TRY(OciContainer::claim(globals.root, id));
    const std::string unit = string_or(object_at(config, "annotations"), kSystemdUnit);
    ScopeHolder scope;
    ScopeGuard undo([&] {
        scope.end();
        if (!unit.empty()) stop_scope(unit);
        (void)stored.forget();
    });
    scope = TRY(start_scope(config, spec));
    TRY(write_json(stored.folder() + "/config.json", config, Sync::No));
    Channels channels = TRY(make_channels(stored));
    const SpecHooks hooks = spec.hooks;
    Container container = TRY(Container::open(std::move(spec), globals.root));
    Streams streams{0, 1, 2};
    streams.terminal_socket = console.child ? console.child.get() : -1;
    streams.preserved = keep;
    streams.cgroup_holder = scope.pid();
    Result<void> created = container.create(streams, std::move(channels));
    if (!created) {
        (void)run_hooks(hooks.poststop, state_json(container.spec(), "stopped", 0), "poststop");
        return std::move(created).error();
    }
    Result<void> known = stored.save(container.pid(), bundle);
    if (known) known = write_pid_file(arguments.value("pid-file"), container.pid());
    if (!known) {
        container.discard();
        return std::move(known).error();
    }
    UniqueFd terminal;
    if (console.ours) terminal = TRY(receive_terminal(console.ours));
    undo.commit();
    return Made{std::move(stored), std::move(container), std::move(terminal)};
}

/// Says the word, and waits until the program is executed: then its end of the FIFO is closed.
Result<void> start_container(const OciContainer& container) {
    const FileLock lock = TRY(container.lock());
    const OciStatus status = container.status();
    if (status != OciStatus::Created)
        return Error(ErrorKind::Busy,
                     fmt::format("container '{}' is {}", container.id(), to_string(status)))
            .help("only one that is created can be started");
    const UniqueFd report_fifo = TRY(sys::open(container.report_fifo(), O_RDONLY | O_NONBLOCK));
    if (::fcntl(report_fifo.get(), F_SETFL, 0) == -1) return Error::from_errno(errno, "fcntl(2)");
    const UniqueFd start_fifo = TRY(sys::open(container.start_fifo(), O_WRONLY | O_NONBLOCK));
    if (::write(start_fifo.get(), "s", 1) != 1) return Error::from_errno(errno, "write(2)");
    const Spec spec = TRY(container.spec());
    const Result<std::optional<ChildReport>> failed = hear_until_executed(
        report_fifo, start_fifo,
        {&spec, container.pid(), state_json(spec, "creating", container.pid())});
    ::unlink(container.start_fifo().c_str());
    ::unlink(container.report_fifo().c_str());
    if (!failed || *failed) {
        const auto process = container.open_process();
        if (process && !failed) (void)sys::pidfd_send_signal(*process, SIGKILL);
        // Who asks for the state next is to see that it has ended.
        constexpr int kEndMs = 10000;
        if (process) (void)sys::wait_for_exit(*process, kEndMs);
        return failed ? explain(**failed, spec) : failed.error();
    }
    const Result<void> told =
        run_hooks(spec.hooks.poststart, state_json(spec, "running", container.pid()), "poststart");
    if (!told) {
        // As the specification has it: one that fails ends the container.
        if (const auto process = container.open_process())
            (void)sys::pidfd_send_signal(*process, SIGKILL);
        return told.error();
    }
    return {};
}

}  // namespace

Result<UniqueFd> connect_stream(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("socket '{}': its path is too long", path));
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return Error::from_errno(errno, "socket(2)");
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == -1)
        return Error::from_errno(errno, "connect(2)").doing("reach '{}'", path);
    return socket;
}

Result<void> write_pid_file(const std::string& path, pid_t pid) {
    if (path.empty()) return {};
    return write_atomically(path, fmt::format("{}", pid), 0644, Sync::No);
}

Result<int> oci_create(const OciGlobals& globals, const OciWords& words) {
    const OciArguments arguments = TRY(OciArguments::parse(words, create_flags(), false));
    TRY(make(globals, arguments, false));
    return 0;
}

Result<int> oci_start(const OciGlobals& globals, const OciWords& words) {
    const OciArguments arguments = TRY(OciArguments::parse(words, {}, false));
    const std::string id = TRY(only_id(arguments));
    const OciContainer container = TRY(OciContainer::load(globals.root, id));
    TRY(start_container(container));
    return 0;
}

Result<int> oci_run(const OciGlobals& globals, const OciWords& words) {
    const OciArguments arguments = TRY(OciArguments::parse(words, create_flags(), false));
    const bool detach = arguments.has("detach");
    Made made = TRY(make(globals, arguments, !detach));
    Result<void> started = start_container(made.stored);
    if (started && detach) return 0;
    if (started) started = attend(made.container.pid(), made.container.pidfd(), made.terminal);
    if (!started) made.container.discard();
    int code = 1;
    if (started) code = TRY(made.container.reap()).code;
    if (!arguments.has("keep")) TRY(destroy(made.stored));
    if (!started) return std::move(started).error();
    return code;
}

}  // namespace davit::runtime
