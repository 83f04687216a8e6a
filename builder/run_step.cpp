#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope_guard.h"
#include "base/strings.h"
#include "base/sys.h"
#include "builder/mount_stubs.h"
#include "builder/stage_builder.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <thread>
#include <unistd.h>

namespace davit::builder {
namespace {

/// Usable without ARG; neither in the key of a step nor in the history.
constexpr std::array<const char*, 10> kProxies = {
    "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY",
    "ftp_proxy",  "NO_PROXY",   "no_proxy",    "ALL_PROXY",   "all_proxy"};

bool is_proxy(const std::string& name) {
    return std::find(kProxies.begin(), kProxies.end(), name) != kProxies.end();
}

/// `RUN <<EOF` alone is a script; with a command, the shell reads the here-documents by itself.
std::string with_heredocs(const Instruction& instruction) {
    std::string text = instruction.words.front().text;
    for (const Heredoc& heredoc : instruction.heredocs) text += "\n" + heredoc.body + heredoc.name;
    return text;
}

bool is_script(const Instruction& instruction) {
    if (instruction.heredocs.size() != 1 || instruction.exec) return false;
    const std::string& text = instruction.words.front().text;
    return text.find_first_of(" \t") == std::string::npos && text.find("<<") != std::string::npos;
}

SourcePos place_of_flag(const Instruction& instruction, std::string_view name) {
    for (const Flag& flag : instruction.flags)
        if (flag.name == name) return flag.where;
    return instruction.where;
}

/// Whether the RUN may have what its flags ask for; gives it that.
/// @source docker/buildx, --allow; moby/buildkit, entitlements
Result<void> allow(const Instruction& instruction, const BuildRequest& wanted,
                   RunRequest& request) {
    const auto check = [&](const char* name, const char* value, const char* right) -> Result<void> {
        if (wanted.entitlements.contains(right)) return {};
        return Error(ErrorKind::InvalidInput,
                     fmt::format("RUN --{}={} needs the entitlement {}", name, value, right))
            .at(place_of_flag(instruction, name))
            .help(fmt::format("where you trust this Dockerfile: davit build --allow {0}, or "
                              "build.entitlements: [{0}]",
                              right));
    };
    if (instruction.flag("network").value_or("") == "host" && wanted.network != "host" &&
        !wanted.limits.privileged)
        TRY(check("network", "host", "network.host"));
    if (instruction.flag("security").value_or("sandbox") != "insecure") return {};
    if (!wanted.limits.privileged) TRY(check("security", "insecure", "security.insecure"));
    request.limits.privileged = true;
    return {};
}

}  // namespace

/// What a bind mount shows.
struct StageBuilder::RunSource {
    OpenSource source = {};
    Selection selection = {};
    std::string target = {};
    bool read_only = false;
};

/// What a RUN gets only when it is carried out. Caches, by target, are locked one after the other
/// in the order of their ids: whoever has the lock of one waits for nothing that needs it.
struct StageBuilder::RunMounts {
    std::vector<RunSource> binds = {};
    std::map<std::string, RunMount> caches = {};
    std::vector<FileLock> locks = {};  ///< Held while the RUN runs.
    bool waited = false;               ///< For one of them.
};

Result<std::vector<std::string>> StageBuilder::run_command(const Instruction& instruction) const {
    std::vector<std::string> argv;
    if (instruction.exec) {
        for (const Word& word : instruction.words) argv.push_back(word.text);
        return argv;
    }
    argv = state_.shell();
    if (is_script(instruction) && instruction.heredocs.front().body.starts_with("#!"))
        argv = {"/dev/pipes/" + instruction.heredocs.front().name};
    else
        argv.push_back(is_script(instruction) ? instruction.heredocs.front().body
                                              : with_heredocs(instruction));
    return argv;
}

std::vector<std::string> StageBuilder::run_environment() const {
    std::vector<std::string> env = state_.variables();
    if (!state_.variable("PATH")) env.push_back(std::string("PATH=") + kDefaultPath);
    return env;
}

Result<StageBuilder::RunSource> StageBuilder::mount_source(const RunMount& mount) {
    RunSource chosen;
    chosen.source = TRY(open_source(mount.from));
    std::vector<Selection> selections =
        TRY(select_items(chosen.source.tree(), mount.source, {.literal = true}));
    chosen.selection = std::move(selections.front());
    return chosen;
}

/// A copy: what the RUN writes is thrown away, and what .dockerignore leaves out isn't there.
Result<void> StageBuilder::add_bind(const RunSource& bind, RunRequest& request) {
    const Selection& selection = bind.selection;
    const std::string folder = TRY(shared_.new_folder());
    if (::chmod(folder.c_str(), 0755) == -1) return Error::from_errno(errno, "chmod(2)");
    const UniqueFd root = TRY(sys::open(folder, O_RDONLY | O_DIRECTORY));
    TRY(copy_items(bind.source.tree(), selection.items, root,
                   selection.folder ? "" : selection.name, {}));
    request.binds.push_back({.source = selection.folder ? folder : folder + "/" + selection.name,
                             .target = bind.target,
                             .read_only = bind.read_only});
    return {};
}

/// Another build may have it for an hour: its user is told, and can give up. It is tried again and
/// again, since flock(2) ends for no wish of the user's and no failure of another stage.
Result<void> StageBuilder::lock_cache(const std::string& folder, const std::string& id,
                                      const Step& step, RunMounts& mounts) {
    constexpr std::chrono::milliseconds kLookAgain(100);
    for (bool told = false;; told = true) {
        auto lock = FileLock::exclusive_now(folder + "/lock");
        if (lock) {
            mounts.locks.push_back(*std::move(lock));
            return {};
        }
        if (lock.error().kind() != ErrorKind::Busy) return std::move(lock).error();
        if (shared_.cancelled()) return Error(ErrorKind::Cancelled, "the build was interrupted");
        mounts.waited = true;
        if (!told)
            shared_.tell({.kind = BuildEvent::Kind::Output,
                          .number = step.number,
                          .step = step.name,
                          .output = fmt::format("waiting for the cache '{}', which another RUN "
                                                "has\n",
                                                printable(id))});
        std::this_thread::sleep_for(kLookAgain);
    }
}

/// A cache begins with what `from` and `source` say, and is another one where that has changed.
/// @source BuildKit, solver/llbsolver/mounts: getRefCacheDir
Result<void> StageBuilder::add_cache(const RunMount& mount, const std::string& target,
                                     const Step& step, RunRequest& request, RunMounts& mounts) {
    std::string identity = mount.id;
    std::optional<RunSource> first;
    if (!mount.from.empty()) {
        first = TRY(mount_source(mount));
        if (!first->selection.folder)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' is a file, and a cache is a folder",
                                     printable(mount.source)))
                .help("name the folder that it begins with");
        identity += "\n" + TRY(digest_of(first->source.tree(), first->selection.items, {}));
    }
    const std::string folder =
        shared_.cache.data_root() + "/build/mounts/" + sha256_hex(identity).substr(0, 32);
    if (mount.sharing != "shared") TRY(lock_cache(folder, mount.id, step, mounts));
    const std::string data = folder + "/data";
    if (!exists(data))
        TRY_DOING(make_cache(mount, first ? &*first : nullptr, data), "make the cache '{}'",
                  printable(mount.id));
    request.binds.push_back({.source = data, .target = target, .read_only = mount.read_only});
    return {};
}

/// Made aside, so that nobody sees it half filled, also where this build is killed.
Result<void> StageBuilder::make_cache(const RunMount& mount, const RunSource* first,
                                      const std::string& data) {
    const std::string made = TRY(shared_.new_folder());
    const UniqueFd root = TRY(sys::open(made, O_RDONLY | O_DIRECTORY));
    if (::fchown(root.get(), mount.uid, mount.gid) == -1 ||
        ::fchmod(root.get(), mount.mode.value_or(0755)) == -1)
        return Error::from_errno(errno, "chown(2)");
    if (first != nullptr)
        TRY(copy_items(first->source.tree(), first->selection.items, root, "", {}));
    TRY(make_directories(data.substr(0, data.rfind('/')), 0755));
    // Another RUN, which shares it, may have been faster: what that one writes into stays.
    if (::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, data.c_str(), RENAME_NOREPLACE) == 0 ||
        errno == EEXIST)
        return {};
    return Error::from_errno(errno, "renameat2(2)");
}

Result<void> StageBuilder::add_caches(const Step& step, RunRequest& request, RunMounts& mounts) {
    std::map<std::string, std::pair<RunMount, std::string>> by_id;
    for (const auto& [target, cache] : mounts.caches)
        by_id[(cache.id.empty() ? target : cache.id) + "\n" + target] = {cache, target};
    std::set<std::string> locked;
    for (auto& [key, cache] : by_id) {
        auto& [mount, target] = cache;
        if (mount.id.empty()) mount.id = target;
        if (!locked.insert(mount.id).second) mount.sharing = "shared";  // this RUN has it already
        TRY(add_cache(mount, target, step, request, mounts));
    }
    return {};
}

Result<void> StageBuilder::add_secret(const RunMount& mount, RunRequest& request) {
    const std::string id =
        mount.id.empty() ? mount.target.substr(mount.target.rfind('/') + 1) : mount.id;
    const auto found = shared_.request->secrets.find(id);
    if (found == shared_.request->secrets.end()) {
        if (!mount.required) return {};
        return Error(ErrorKind::NotFound, fmt::format("the secret '{}' is not given", id))
            .help(fmt::format("give it with --secret id={},src=FILE, or in build.secrets", id));
    }
    if (mount.env) request.env.push_back(*mount.env + "=" + found->second);
    if (mount.env && mount.target.empty()) return {};
    RunMount named = mount;
    named.id = id;
    request.files.push_back(
        {.target =
             absolute_path(state_, mount.target.empty() ? default_target(named, 0) : mount.target),
         .content = found->second,
         .mode = mount.mode.value_or(0400),
         .uid = mount.uid,
         .gid = mount.gid});
    return {};
}

Result<void> StageBuilder::add_agent(const RunMount& mount, RunRequest& request) {
    const std::string id = mount.id.empty() ? "default" : mount.id;
    const auto found = shared_.request->ssh.find(id);
    if (found == shared_.request->ssh.end()) {
        // As with docker build: whoever needs one says required.
        if (!mount.required) return {};
        return Error(ErrorKind::NotFound, fmt::format("the SSH agent '{}' is not given", id))
            .help(fmt::format("give it with --ssh {}, or in build.ssh", id));
    }
    const std::string target =
        absolute_path(state_, mount.target.empty()
                                  ? default_target(mount, static_cast<int>(request.agents.size()))
                                  : mount.target);
    const bool set = std::any_of(request.env.begin(), request.env.end(), [](const auto& entry) {
        return entry.starts_with("SSH_AUTH_SOCK=");
    });
    if (!set) request.env.push_back("SSH_AUTH_SOCK=" + target);
    request.agents.push_back({.socket = found->second,
                              .target = target,
                              .mode = mount.mode.value_or(0600),
                              .uid = mount.uid,
                              .gid = mount.gid});
    return {};
}

Result<void> StageBuilder::add_mounts(const Instruction& instruction, RunRequest& request,
                                      RunMounts& mounts, Json& key) {
    const ExpandOptions options = state_.expansion(instruction);
    for (const Flag& flag : instruction.flags) {
        if (flag.name != "mount") continue;
        const auto add = [&]() -> Result<void> {
            const RunMount mount = TRY(parse_run_mount(flag.value, &options));
            const std::string target =
                mount.target.empty() ? "" : clean_path(absolute_path(state_, mount.target));
            Json line = {{"type", static_cast<int>(mount.type)},
                         {"target", target},
                         {"id", mount.id},
                         {"read_only", mount.read_only}};
            switch (mount.type) {
                case RunMountType::Bind: {
                    RunSource bind = TRY(mount_source(mount));
                    line["content"] = TRY(digest_of(bind.source.tree(), bind.selection.items, {}));
                    bind.target = target;
                    bind.read_only = mount.read_only;
                    mounts.binds.push_back(std::move(bind));
                    break;
                }
                case RunMountType::Cache: mounts.caches[target] = mount; break;
                case RunMountType::Tmpfs:
                    request.tmpfs.push_back({target, mount.size_bytes});
                    break;
                case RunMountType::Secret: TRY(add_secret(mount, request)); break;
                case RunMountType::Ssh: TRY(add_agent(mount, request)); break;
            }
            key.push_back(std::move(line));
            return {};
        };
        auto added = add();
        if (!added) return std::move(added).error().at(flag.where);
    }
    return {};
}

Result<void> StageBuilder::apply_run(const Instruction& instruction) {
    const BuildRequest& wanted = *shared_.request;
    if (instruction.flag("device"))
        return Error(ErrorKind::Unsupported, "RUN --device is not supported")
            .at(place_of_flag(instruction, "device"))
            .help("set build.privileged, or do without");
    RunRequest request;
    RunMounts mounts;
    request.argv = TRY(run_command(instruction));
    request.env = run_environment();
    const std::string cwd = state_.word("WorkingDir");
    request.cwd = cwd.empty() ? "/" : cwd;
    request.user = state_.word("User");
    request.network = instruction.flag("network").value_or("default");
    if (request.network == "default") request.network = wanted.network;
    request.limits = wanted.limits;
    TRY(allow(instruction, wanted, request));
    request.layers = TRY(layers());
    request.cancelled = [this] { return shared_.cancelled(); };

    Step step;
    step.number = shared_.next_number();
    step.name = step_name(instruction);
    step.key = parent_key("run");
    Json argv = request.argv;
    step.key["argv"] = argv;
    step.key["env"] = request.env;
    step.key["cwd"] = request.cwd;
    step.key["user"] = request.user;
    step.key["network"] = request.network;
    step.key["hosts"] = wanted.limits.extra_hosts;
    step.key["limits"] = {wanted.limits.shm_size_bytes, request.limits.privileged,
                          wanted.limits.ulimits};
    if (is_script(instruction)) step.key["script"] = instruction.heredocs.front().body;
    Json mount_keys = Json::array();
    TRY(add_mounts(instruction, request, mounts, mount_keys));
    step.key["mounts"] = std::move(mount_keys);
    for (const auto& [name, value] : wanted.args)
        if (is_proxy(name)) request.env.push_back(name + "=" + value);
    if (is_script(instruction) && request.argv.front().starts_with("/dev/pipes/"))
        request.files.push_back({.target = request.argv.front(),
                                 .content = instruction.heredocs.front().body,
                                 .mode = 0755});
    std::string shown;
    for (const std::string& word : request.argv) shown += (shown.empty() ? "" : " ") + word;
    step.history = "RUN " + shown;

    step.prepare = [&]() -> Result<bool> {
        for (const RunSource& bind : mounts.binds) TRY(add_bind(bind, request));
        TRY(add_caches(step, request, mounts));
        return mounts.waited;
    };
    step.make = [&](const std::string& folder) -> Result<std::optional<image::PackOptions>> {
        auto stubs = std::make_shared<MountStubs>();
        {
            const std::string scratch = TRY(shared_.new_folder());
            const MergedRoot lower = TRY(MergedRoot::open(request.layers, scratch, false));
            std::vector<std::string> targets;
            for (const RunBind& bind : request.binds) targets.push_back(bind.target);
            for (const RunTmpfs& tmpfs : request.tmpfs) targets.push_back(tmpfs.target);
            for (const RunFile& file : request.files) targets.push_back(file.target);
            for (const RunAgent& agent : request.agents) targets.push_back(agent.target);
            TRY(stubs->look(lower.root(), std::move(targets)));
        }
        request.folder = folder;
        shared_.run_slots.acquire();
        const ScopeGuard release([&] { shared_.run_slots.release(); });
        if (shared_.cancelled()) return Error(ErrorKind::Cancelled, "the build was interrupted");
        auto outcome = shared_.host->runner->run(request, [&](std::string_view output) {
            shared_.tell({.kind = BuildEvent::Kind::Output,
                          .number = step.number,
                          .step = step.name,
                          .output = std::string(output)});
        });
        if (!outcome) return std::move(outcome).error();
        if (shared_.cancelled()) return Error(ErrorKind::Cancelled, "the build was interrupted");
        if (outcome->exit_code != 0)
            return Error(ErrorKind::System,
                         fmt::format(
                             "the command ended with exit code {}{}", outcome->exit_code,
                             outcome->oom_killed ? ": it needed more memory than there is" : ""))
                .help("see what it wrote above");
        image::PackOptions options = pack_options(wanted);
        options.uids = outcome->ids;
        options.gids = outcome->ids;
        stubs->decide(folder + "/upper", outcome->ids.empty() ? 0 : outcome->ids.front().host);
        options.wanted = [stubs](const std::string& path) { return !stubs->contains(path); };
        return std::optional<image::PackOptions>(std::move(options));
    };
    return carry_out(step, instruction.where);
}

}  // namespace davit::builder
