#include "stack/build_runner.h"

#include "base/failpoint.h"
#include "base/scope_guard.h"
#include "base/strings.h"
#include "base/sys.h"
#include "network/links.h"
#include "network/names.h"
#include "runtime/features.h"
#include "runtime/spec.h"
#include "stack/lower.h"
#include "stack/users.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::stack {
namespace {

constexpr const char* kHostname = "buildkitsandbox";  // as docker build has it

Result<void> give(const std::string& path, std::uint32_t uid, std::uint32_t gid, mode_t mode) {
    if (::lchown(path.c_str(), uid, gid) == -1 || ::chmod(path.c_str(), mode) == -1)
        return Error::from_errno(errno, "chown(2)").doing("write '{}'", path);
    return {};
}

bool can_map(const builder::RunRequest& request) {
    std::vector<std::string> folders = request.layers;
    for (const builder::RunBind& bind : request.binds) folders.push_back(bind.source);
    std::set<dev_t> known;
    for (const std::string& folder : folders) {
        struct stat info {};
        if (::stat(folder.c_str(), &info) == -1 || !known.insert(info.st_dev).second) continue;
        if (!runtime::can_idmap(folder)) return false;
    }
    return true;
}

Json bind(const std::string& target, const std::string& source) {
    return {{"destination", target},
            {"type", "bind"},
            {"source", source},
            {"options", {"bind", "rprivate", "nosuid", "nodev", "ro"}}};
}

std::string hosts_of(const builder::RunRequest& request, const BuildPlace& place) {
    network::HostEntry own;
    if (!place.bridge.empty()) own = network::HostEntry{place.address.address, {kHostname}};
    std::string text = network::render_hosts(own, {});
    for (const std::string& host : request.limits.extra_hosts) {
        const std::size_t equals = host.find('=');
        std::string address = host.substr(equals + 1);
        if (address == "host-gateway") address = to_string(place.gateway);
        text += fmt::format("{}\t{}\n", address, host.substr(0, equals));
    }
    return text;
}

compose::Service as_service(const builder::RunRequest& request) {
    compose::Service service;
    service.name = "build";
    service.hostname = kHostname;
    service.entrypoint = request.argv;
    service.working_dir = request.cwd;
    service.logging.driver = "none";
    service.shm_size_bytes = request.limits.shm_size_bytes;
    service.privileges.privileged = request.limits.privileged;
    for (const auto& [name, limit] : request.limits.ulimits)
        service.ulimits[name] = {limit.first, limit.second};
    for (const builder::RunBind& bind : request.binds) {
        compose::Mount mount;
        mount.source = bind.source;
        mount.target = bind.target;
        mount.read_only = bind.read_only;
        service.volumes.push_back(std::move(mount));
    }
    return service;
}

}  // namespace

Result<Json> BuildRunner::config_of(const builder::RunRequest& request,
                                    const BuildPlace& place) const {
    compose::Project project;
    project.name = kBuildProject;
    compose::DesiredContainer wanted;
    wanted.service = "build";
    wanted.config = as_service(request);
    image::Image image;
    image.layers = request.layers;
    if (image.layers.empty()) image.layers = {request.folder + "/empty"};
    image.config.env = request.env;
    ContainerInputs inputs;
    inputs.project = &project;
    inputs.wanted = &wanted;
    inputs.image = &image;
    inputs.id = place.id;
    inputs.name = place.id.substr(0, 12);
    inputs.uid_base = place.uid_base;
    inputs.state_dir = request.folder;
    inputs.runtime_program = environment_.runtime_program;
    inputs.user = TRY_DOING(resolve_user(request.user, read_from_layers(image.layers, "etc/passwd"),
                                         read_from_layers(image.layers, "etc/group")),
                            "find the user '{}'", printable(request.user));
    const ContainerRecord record = make_record(inputs);
    Json config = TRY(make_config(inputs, record, place.run_dir));
    config["annotations"][runtime::kOverlayUpper] = request.folder + "/upper";
    config["annotations"][runtime::kOverlayWork] = request.folder + "/work";
    for (const builder::RunTmpfs& tmpfs : request.tmpfs) {
        Json options = {"nosuid", "nodev", "mode=1777"};
        if (tmpfs.size_bytes > 0) options.push_back(fmt::format("size={}", tmpfs.size_bytes));
        config["mounts"].push_back({{"destination", tmpfs.target},
                                    {"type", "tmpfs"},
                                    {"source", "tmpfs"},
                                    {"options", std::move(options)}});
    }
    if (request.network == "host") {
        Json& namespaces = config["linux"]["namespaces"];
        for (std::size_t i = namespaces.size(); i-- > 0;)
            if (namespaces[i]["type"] == "network") namespaces.erase(i);
        config["linux"].erase("sysctl");
    }
    return config;
}

Result<void> BuildRunner::write_files(const builder::RunRequest& request, const BuildPlace& place,
                                      Json& config) const {
    const std::string resolv = request.network == "host"
                                   ? network::host_resolv_conf()
                                   : network::render_resolv_conf(network::host_resolv_conf());
    const std::pair<const char*, std::string> files[] = {
        {"/hosts", hosts_of(request, place)},
        {"/hostname", std::string(kHostname) + "\n"},
        {"/resolv.conf", resolv}};
    for (const auto& [name, text] : files) {
        const std::string path = place.run_dir + name;
        TRY(write_in_place(path, text, 0644));
        TRY(give(path, place.uid_base, place.uid_base, 0644));
    }
    for (std::size_t i = 0; i < request.files.size(); ++i) {
        const builder::RunFile& file = request.files[i];
        const std::string path = fmt::format("{}/file-{}", place.run_dir, i);
        TRY(write_in_place(path, file.content, 0600));
        TRY(give(path, place.uid_base + file.uid, place.uid_base + file.gid, file.mode));
        config["mounts"].push_back(bind(file.target, path));
    }
    TRY(make_directories(request.folder + "/upper", 0755));
    TRY(give(request.folder + "/upper", place.uid_base, place.uid_base, 0755));
    TRY(make_directories(request.folder + "/work", 0700));
    return make_directories(request.folder + "/empty", 0755);
}

Result<std::vector<std::unique_ptr<AgentRelay>>> BuildRunner::start_agents(
    const builder::RunRequest& request, const BuildPlace& place, Json& config) {
    std::vector<std::unique_ptr<AgentRelay>> relays;
    for (const builder::RunAgent& agent : request.agents) {
        const std::string name = fmt::format("agent-{}", relays.size());
        std::unique_ptr<AgentRelay> relay =
            TRY(AgentRelay::start({.agent = agent.socket,
                                   .folder = place.run_dir,
                                   .name = name,
                                   .uid = place.uid_base + agent.uid,
                                   .gid = place.uid_base + agent.gid,
                                   .mode = agent.mode}));
        const std::string socket = place.run_dir + "/" + name;
        config["mounts"].push_back(bind(agent.target, socket));
        relays.push_back(std::move(relay));
    }
    return relays;
}

Result<builder::RunOutcome> BuildRunner::wait(const builder::RunRequest& request,
                                              runtime::Container& container, UniqueFd pipe,
                                              const std::function<void(std::string_view)>& output) {
    constexpr int kLookMs = 200;
    std::string buffer(std::size_t{64} << 10U, '\0');
    const auto read_some = [&] {
        const ssize_t got = ::read(pipe.get(), buffer.data(), buffer.size());
        if (got > 0) output(std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
        return got > 0;
    };
    bool ended = false;
    bool killed = false;
    bool closed = false;
    while (!ended) {
        // A negative descriptor is passed over: a closed end would be told again at once.
        pollfd fds[2] = {{closed ? -1 : pipe.get(), POLLIN, 0},
                         {container.pidfd().get(), POLLIN, 0}};
        if (::poll(fds, 2, kLookMs) == -1 && errno != EINTR)
            return Error::from_errno(errno, "poll(2)");
        if ((fds[0].revents & POLLIN) != 0)
            read_some();
        else
            closed = closed || fds[0].revents != 0;
        ended = (fds[1].revents & POLLIN) != 0;
        if (!killed && request.cancelled && request.cancelled()) {
            killed = true;
            TRY(container.kill_all());
        }
    }
    while (read_some()) {
    }
    (void)failpoint::hit("build.reap");
    const runtime::ExitStatus status = TRY(container.reap());
    builder::RunOutcome outcome;
    outcome.exit_code = status.code;
    outcome.oom_killed = status.oom_killed;
    return outcome;
}

Result<builder::RunOutcome> BuildRunner::run(const builder::RunRequest& request,
                                             const std::function<void(std::string_view)>& output) {
    const bool own_users =
        request.network != "host" && !request.limits.privileged && can_map(request);
    std::unique_lock starting(starting_);
    const BuildPlace place = TRY(network_.admit(own_users, request.network == "default"));
    Json config = TRY(config_of(request, place));
    TRY(write_files(request, place, config));
    const auto agents = TRY(start_agents(request, place, config));
    config["linux"]["cgroupsPath"] = build_cgroup(place.id);
    runtime::Spec spec = TRY(runtime::parse_spec(config));
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1) return Error::from_errno(errno, "pipe2(2)");
    UniqueFd reading(ends[0]);
    UniqueFd writing(ends[1]);
    // The program's end blocks, as programs expect it.
    if (::fcntl(writing.get(), F_SETFL, 0) == -1) return Error::from_errno(errno, "fcntl(2)");
    const UniqueFd nothing = TRY(sys::open("/dev/null", O_RDONLY));
    // Programs open /dev/stdout again by name.
    if (::fchown(writing.get(), place.uid_base + spec.user.uid, place.uid_base + spec.user.gid) ==
        -1)
        return Error::from_errno(errno, "fchown(2)");
    runtime::Container container =
        TRY(runtime::Container::open(std::move(spec), environment_.paths.run_root));
    TRY(container.create({nothing.get(), writing.get(), writing.get()}));
    ScopeGuard undo([&] { container.discard(); });
    FAILPOINT("build.connect");
    if (request.network != "host") {
        const UniqueFd netns =
            TRY(sys::open(fmt::format("/proc/{}/ns/net", container.pid()), O_RDONLY));
        TRY_DOING(BuildNetwork::connect(place, netns), "connect the step to the network");
    }
    writing.reset();
    const auto started = container.start();
    if (!started) {
        const int code = started.error().error_number() == ENOENT ? 127 : 126;
        output(started.error().to_string() + "\n");
        builder::RunOutcome outcome;
        outcome.exit_code = code;
        return outcome;
    }
    starting.unlock();
    builder::RunOutcome outcome = TRY(wait(request, container, std::move(reading), output));
    undo.commit();
    if (place.uid_base != 0) outcome.ids = {{0, place.uid_base, 65536}};
    return outcome;
}

Result<builder::Owner> BuildRunner::find_owner(const std::string& user,
                                               const std::vector<std::string>& layers) {
    const ResolvedUser found = TRY(resolve_user(user, read_from_layers(layers, "etc/passwd"),
                                                read_from_layers(layers, "etc/group")));
    // A number alone stands for both, as in docker build.
    const bool number = parse_integer(user).has_value();
    return builder::Owner{found.uid, number ? found.uid : found.gid};
}

}  // namespace davit::stack
