#include "cli/file_watch.h"

#include "base/file.h"
#include "base/sys.h"

#include <cerrno>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::cli {
namespace {

bool is_folder(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

Result<FileWatch> FileWatch::create(const std::vector<std::string>& roots) {
    FileWatch watch;
    watch.inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!watch.inotify_) return Error::from_errno(errno, "inotify_init1(2)");
    for (const std::string& root : roots) {
        if (exists(root)) continue;
        return Error(ErrorKind::NotFound, fmt::format("'{}' is not there to be watched", root))
            .help("make it, or correct 'path' in 'develop'");
    }
    watch.roots_ = roots;
    TRY(watch.add_roots(nullptr));
    return watch;
}

Result<void> FileWatch::add_roots(std::set<std::string>* found) {
    for (const std::string& root : roots_) {
        if (!exists(root)) continue;  // taken away for a moment: what is in it did not change
        if (found != nullptr) found->insert(root);
        // Editors replace files: of a single one its folder has to be watched.
        TRY(is_folder(root) ? add_tree(root, found) : add_folder(folder_of(root)));
    }
    return {};
}

Result<void> FileWatch::add_folder(const std::string& path) {
    constexpr std::uint32_t kEvents = IN_CREATE | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE |
                                      IN_MOVED_FROM | IN_MOVED_TO | IN_DONT_FOLLOW | IN_ONLYDIR;
    const int watched = ::inotify_add_watch(inotify_.get(), path.c_str(), kEvents);
    if (watched != -1) {
        folders_[watched] = path;
        return {};
    }
    const int error_number = errno;
    // Gone again already, or another thing by now.
    if (error_number == ENOENT || error_number == ENOTDIR) return {};
    Error error = Error::from_errno(error_number, "inotify_add_watch(2)").doing("watch '{}'", path);
    if (error_number != ENOSPC) return error;
    return std::move(error).help(
        "the kernel gives no more watches: raise them with 'sysctl "
        "fs.inotify.max_user_watches=524288', or watch fewer folders");
}

Result<void> FileWatch::add_tree(const std::string& path, std::set<std::string>* found) {
    // First the watch, then the look: what comes in between is seen twice, and never not at all.
    TRY(add_folder(path));
    const Result<std::vector<std::string>> names = list_directory(path);
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        const std::string inner = path + "/" + name;
        if (found != nullptr) found->insert(inner);
        if (name != ".git" && is_folder(inner)) TRY(add_tree(inner, found));
    }
    return {};
}

Result<void> FileWatch::take_event(const inotify_event& event, std::set<std::string>& changed) {
    // Too much has happened at once, and nobody knows what: all of it may have changed.
    if ((event.mask & IN_Q_OVERFLOW) != 0) return add_roots(&changed);
    const auto folder = folders_.find(event.wd);
    if (folder == folders_.end() || event.len == 0) return {};
    const std::string path = folder->second + "/" + event.name;
    changed.insert(path);
    const bool appears = (event.mask & (IN_CREATE | IN_MOVED_TO)) != 0;
    if ((event.mask & IN_ISDIR) != 0 && appears) return add_tree(path, &changed);
    return {};
}

Result<std::set<std::string>> FileWatch::take() {
    std::set<std::string> changed;
    alignas(inotify_event) char buffer[16384];
    for (;;) {
        const ssize_t got =
            sys::retry_on_eintr([&] { return ::read(inotify_.get(), buffer, sizeof buffer); });
        if (got <= 0) return changed;
        for (ssize_t at = 0; at < got;) {
            const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
            at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
            TRY(take_event(*event, changed));
        }
    }
}

}  // namespace davit::cli
