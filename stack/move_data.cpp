#include "stack/move_data.h"

#include "base/failpoint.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/scope_guard.h"
#include "base/strings.h"
#include "base/sys.h"
#include "image/store_files.h"
#include "runtime/state.h"
#include "stack/data_disk.h"
#include "stack/exact_copy.h"
#include "stack/volumes.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <set>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::stack {
namespace {

/// Says in the new place that it is not whole yet, and whose copy it becomes.
constexpr const char* kMarker = "moving.json";

Error failed(const char* call, const std::string& path) {
    const int error_number = errno;
    return Error::from_errno(error_number, call).doing("move to '{}'", path);
}

std::string real_path(const std::string& path) {
    char resolved[PATH_MAX];
    return ::realpath(path.c_str(), resolved) == nullptr ? std::string() : resolved;
}

bool is_inside(const std::string& path, const std::string& folder) {
    return path == folder || path.starts_with(folder == "/" ? folder : folder + "/");
}

bool is_link(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
}

std::string target_of_link(const std::string& path) {
    char target[PATH_MAX];
    const ssize_t size = ::readlink(path.c_str(), target, sizeof target);
    return {target, size > 0 ? static_cast<std::size_t>(size) : 0};
}

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
}

/// Where the link is made ready, and where the original stands once the link has its place.
std::string aside_of(const std::string& folder) { return folder + ".moved"; }

/// Staging folders are of commands that are under way, or of nobody; the marker is ours.
bool is_wanted(const std::string& path) { return path != "images/tmp" && path != kMarker; }

/// Containers that run on this data root, as "project/name".
Result<std::vector<std::string>> running_on(const Paths& paths) {
    std::vector<std::string> running;
    const auto add = [&](const Paths& where, const std::string& project, bool all) -> Result<void> {
        for (const auto& [name, record] : TRY(read_containers(where, project))) {
            const bool here = all || is_inside(real_path(record.state_dir), paths.data_root);
            const auto state = TRY(runtime::observe_state(where.run_container(project, name)));
            const bool lives = state.status == runtime::Status::Running ||
                               state.status == runtime::Status::Paused ||
                               state.status == runtime::Status::Restarting;
            if (here && lives) running.push_back(project + "/" + name);
        }
        return {};
    };
    for (const std::string& project : TRY(list_directory(paths.run_root))) {
        const Result<Json> claim = read_record(paths.run_project(project) + "/.project.json", 1);
        if (!claim) continue;
        // Also of other data roots: a service may have a data root of its own.
        const Paths where{string_or(*claim, "data_root"), paths.run_root};
        TRY(add(where, project, real_path(where.data_root) == paths.data_root));
    }
    return running;
}

Result<void> check_idle(const Paths& paths) {
    const std::vector<std::string> running = TRY(running_on(paths));
    if (running.empty()) return {};
    return Error(ErrorKind::Busy, fmt::format("{} containers run on it: {}", running.size(),
                                              fmt::join(running, ", ")))
        .help("stop them first, and start them again afterwards: davit -p PROJECT stop");
}

/// Everything that another davit takes before it changes something here.
struct Locks {
    std::vector<FileLock> held = {};
    UniqueFd volumes = {};
};

Result<Locks> lock_everything(const Paths& paths) {
    Locks locks;
    // A build or an `up` may take an hour: all others would wait behind us for it.
    const auto take = [&](const std::string& path, const std::string& what) -> Result<void> {
        auto lock = FileLock::exclusive_now(path);
        if (lock) {
            locks.held.push_back(*std::move(lock));
            return {};
        }
        if (lock.error().kind() != ErrorKind::Busy) return std::move(lock).error();
        return Error(ErrorKind::Busy, what).help("wait for it to end, or end it");
    };
    for (const std::string& project : TRY(list_projects(paths)))
        TRY(take(paths.project_lock(project),
                 fmt::format("a command is changing project '{}'", project)));
    auto volumes = hold_volume_making(paths);
    if (!volumes) return std::move(volumes).error().help("wait for it to end");
    locks.volumes = *std::move(volumes);
    if (exists(paths.data_root + "/build"))
        TRY(take(image::build_lock_path(paths.data_root), "an image is being built"));
    if (!exists(paths.data_root + "/images")) return locks;
    constexpr const char* kStore = "the image store is being changed";
    TRY(take(paths.data_root + "/images/tmp.lock", kStore));
    const std::string staging = paths.data_root + "/images/tmp";
    for (const std::string& name : TRY(list_directory(staging))) {
        const Result<UniqueFd> lease = sys::open(staging + "/" + name + "/lease", O_RDWR);
        if (lease && ::flock(lease->get(), LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK)
            return Error(ErrorKind::Busy, "an image is being pulled, loaded or built")
                .help("wait for it to end, or end it");
    }
    TRY(take(paths.data_root + "/images/lock", kStore));
    return locks;
}

class Mover {
public:
    Mover(const MoveRequest& request, std::string from, std::string to)
        : request_(request), from_(std::move(from)), to_(std::move(to)) {}

    Result<std::int64_t> run() {
        Paths paths = request_.paths;
        paths.data_root = from_;
        TRY(check_idle(paths));
        const Locks locks = TRY(lock_everything(paths));
        TRY(check_idle(paths));
        TRY(check_mounts(from_));
        TRY(clear_earlier_try());
        const std::int64_t bytes = TRY(check_room(from_, to_));
        ScopeGuard clean([&] { (void)clear_earlier_try(); });
        TRY(prepare());
        FAILPOINT("move.copy");
        TRY(check_file_system(to_));
        TRY(copy(bytes));
        FAILPOINT("move.exchange");
        TRY(exchange());
        clean.commit();
        FAILPOINT("move.check");
        TRY(check_unchanged());
        return bytes;
    }

    /// The link is in place: what is left to do is to take the original away. The marker goes last:
    /// it says that this is still to be done.
    Result<void> finish() {
        if (!is_our_try()) return {};
        const std::string aside = aside_of(from_);
        if (exists(aside) && !is_link(aside)) {
            tell("removing", 0, 0);
            FAILPOINT("move.finish");
            TRY(remove_tree(aside));
        }
        FAILPOINT("move.unmark");
        return remove_tree(to_ + "/" + kMarker);
    }

private:
    void tell(const char* what, std::int64_t done, std::int64_t total) const {
        if (request_.on_progress) request_.on_progress(what, done, total);
    }

    bool is_our_try() const {
        const Result<Json> marker = read_json(to_ + "/" + kMarker);
        return marker && string_or(*marker, "from") == from_;
    }

    /// What a move that was killed before the switch has left; and the refusal of a folder that has
    /// something else in it.
    Result<void> clear_earlier_try() const {
        const std::string aside = aside_of(from_);
        if (is_link(aside)) ::unlink(aside.c_str());
        const std::vector<std::string> names = TRY(list_directory(to_));
        if (names.empty()) return {};
        // A marker that was being written when davit was killed is ours as well.
        const bool only_markers =
            std::all_of(names.begin(), names.end(),
                        [](const std::string& name) { return name.starts_with(kMarker); });
        if (!is_our_try() && !only_markers)
            return Error(ErrorKind::AlreadyExists, fmt::format("'{}' is not empty", to_))
                .help("name a folder that isn't there yet");
        // The marker last: half removed it must still be known as ours.
        for (const std::string& name : names)
            if (name != kMarker) TRY(remove_tree(to_ + "/" + name));
        return remove_tree(to_ + "/" + kMarker);
    }

    Result<void> prepare() const {
        struct stat info {};
        if (::stat(from_.c_str(), &info) == -1) return failed("stat(2)", from_);
        TRY(make_directories(to_, 0700));
        if (::chown(to_.c_str(), info.st_uid, info.st_gid) == -1) return failed("chown(2)", to_);
        if (::chmod(to_.c_str(), info.st_mode & 07777U) == -1) return failed("chmod(2)", to_);
        return write_json(to_ + "/" + kMarker, {{"from", from_}}, Sync::Yes);
    }

    Result<void> copy(std::int64_t total) const {
        const UniqueFd from = TRY(sys::open(from_, O_RDONLY | O_DIRECTORY));
        const UniqueFd to = TRY(sys::open(to_, O_RDONLY | O_DIRECTORY));
        std::int64_t done = 0;
        const char* what = "copying";
        ExactCopyOptions options;
        options.wanted = is_wanted;
        options.cancelled = request_.cancelled;
        options.on_bytes = [&](std::int64_t bytes) { tell(what, done += bytes, total); };
        TRY(copy_exactly(from, to, options));
        if (::syncfs(to.get()) == -1) return failed("syncfs(2)", to_);
        done = 0;
        what = "verifying";
        const auto different = TRY(find_difference(from, to, Likeness::Contents, options));
        if (!different) return {};
        return Error(ErrorKind::Busy, fmt::format("'{}' is not the same in the copy: something "
                                                  "writes to it, or a disk is bad",
                                                  printable(*different)))
            .help("end what writes to it, and look at the kernel's messages: dmesg");
    }

    /// From here on the new place is the data root.
    Result<void> exchange() const {
        const std::string aside = aside_of(from_);
        if (::symlink(to_.c_str(), aside.c_str()) == -1) return failed("symlink(2)", aside);
        return swap(aside);
    }

    Result<void> swap(const std::string& aside) const {
        if (::renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, from_.c_str(), RENAME_EXCHANGE) == -1)
            return failed("renameat2(2)", from_);
        const UniqueFd parent = TRY(sys::open(parent_of(from_), O_RDONLY | O_DIRECTORY));
        if (::fsync(parent.get()) == -1) return failed("fsync(2)", parent_of(from_));
        return {};
    }

    /// A command that took none of the locks, a new project for one, may have written in between.
    Result<void> check_unchanged() const {
        const std::string aside = aside_of(from_);
        ExactCopyOptions options;
        options.wanted = is_wanted;
        const UniqueFd original = TRY(sys::open(aside, O_RDONLY | O_DIRECTORY));
        const UniqueFd copy = TRY(sys::open(to_, O_RDONLY | O_DIRECTORY));
        const auto different = find_difference(original, copy, Likeness::Metadata, options);
        if (different && !*different) return {};
        TRY(swap(aside));
        TRY(clear_earlier_try());
        if (!different) return different.error();
        return Error(ErrorKind::Busy, fmt::format("'{}' changed while it was copied; everything is "
                                                  "where it was",
                                                  printable(**different)))
            .help("move it when no other davit is at work");
    }

    const MoveRequest& request_;
    std::string from_;  ///< Without links in its path, as is `to_`.
    std::string to_;
};

/// `path` without links on the way to its last part, which itself is not followed.
std::string real_name(const std::string& path) {
    const std::string parent = real_path(parent_of(path));
    return (parent == "/" ? parent : parent + "/") + path.substr(path.rfind('/') + 1);
}

/// The last part of a path need not be there yet.
Result<std::string> resolve_target(const std::string& path) {
    const std::string clean = clean_path(path);
    if (const std::string there = real_path(clean); !there.empty()) return there;
    if (is_link(clean))
        return Error(ErrorKind::InvalidInput, fmt::format("'{}' is a link to nothing", clean))
            .help("name a folder that isn't there yet");
    TRY(make_directories(parent_of(clean), 0755));
    return real_name(clean);
}

/// Where the data root is named by a link of an earlier move it shall not lead over the place that
/// it leaves now.
Result<void> shorten_link(const std::string& link, const std::string& to) {
    if (!is_link(link)) return {};
    const std::string fresh = link + ".fresh";
    ::unlink(fresh.c_str());
    if (::symlink(to.c_str(), fresh.c_str()) == -1) return failed("symlink(2)", fresh);
    if (::rename(fresh.c_str(), link.c_str()) == -1) return failed("rename(2)", link);
    return {};
}

/// A move that was killed after the switch has left the original, beside one of the links that lead
/// from the data root's name to its place.
Result<void> finish_earlier_move(const MoveRequest& request, const std::string& place) {
    std::string path = real_name(clean_path(request.paths.data_root));
    for (int links = 0; is_link(path) && links < 40; ++links) {
        TRY(Mover(request, path, place).finish());
        path = real_name(clean_path(join_path(parent_of(path), target_of_link(path))));
    }
    return {};
}

/// Trees can be deeper than the usual number of descriptors allows to hold open at once.
void allow_depth() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == -1) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Result<Moved> move_data_root(const MoveRequest& request) {
    const std::string& named = request.paths.data_root;
    const auto move = [&]() -> Result<Moved> {
        allow_depth();
        const std::string from = real_path(named);
        if (from.empty() || !exists(from))
            return Error(ErrorKind::NotFound, fmt::format("there is no folder '{}'", named))
                .help("say which one: --data-root FOLDER");
        const std::string to = TRY(resolve_target(request.to));
        Moved moved;
        TRY(finish_earlier_move(request, from));
        if (from == to) {
            moved.was_there = true;
            return moved;
        }
        if (is_inside(to, from) || is_inside(from, to))
            return Error(ErrorKind::InvalidInput,
                         fmt::format("one of '{}' and '{}' is inside the other", from, to))
                .help("choose a folder elsewhere");
        Mover mover(request, from, to);
        moved.bytes = TRY(mover.run());
        TRY(mover.finish());
        if (clean_path(named) != from) TRY(shorten_link(clean_path(named), to));
        return moved;
    };
    Result<Moved> moved = move();
    if (!moved) return std::move(moved).error().doing("move '{}' to '{}'", named, request.to);
    return moved;
}

}  // namespace davit::stack
