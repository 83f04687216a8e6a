#include "stack/logs.h"

#include "base/log.h"
#include "base/scope_guard.h"
#include "base/strings.h"
#include "base/sys.h"
#include "stack/log_entry.h"
#include "stack/log_files.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <deque>
#include <poll.h>
#include <set>
#include <sys/inotify.h>

namespace davit::stack {
namespace {

using Clock = std::chrono::system_clock;

/// Whether `entry` lies in the time that `options` ask for.
bool wanted(const LogLine& entry, const LogOptions& options) {
    return (!options.since || entry.time >= *options.since) &&
           (!options.until || entry.time <= *options.until);
}

/// Hands what is new in `files` to `on_line`; false where `on_line` wants no more.
Result<bool> deliver(LogFiles& files, std::size_t source, const LogOptions& options,
                     const std::function<bool(const LogLine&)>& on_line) {
    return files.read_new([&](std::string_view line) {
        std::optional<LogLine> entry = parse_log_entry(line);
        if (!entry) {
            log::debug("stack", "unreadable line in a log path={} line={}", files.path(),
                       printable(line.substr(0, 80)));
            return true;
        }
        entry->source = source;
        return !wanted(*entry, options) || on_line(*entry);
    });
}

Result<std::vector<LogFiles>> open_all(const std::vector<std::string>& log_paths,
                                       const LogOptions& options) {
    std::optional<std::int64_t> since_s;
    if (options.since)
        since_s =
            std::chrono::floor<std::chrono::seconds>(options.since->time_since_epoch()).count();
    std::vector<LogFiles> all;
    for (const std::string& path : log_paths) {
        all.emplace_back(path);
        const LogPosition before =
            options.positions == nullptr ? LogPosition() : (*options.positions)[all.size() - 1];
        if (before.inode != 0) {
            TRY(all.back().seek_behind(before));
            continue;
        }
        // With an end in time, the last lines before it are only known when all have been read.
        TRY(all.back().seek(options.until ? std::nullopt : options.tail, since_s));
    }
    return all;
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

/// Wakes up when something happens in the folders of log files, also in those that are made later.
class FolderWatch {
public:
    static Result<FolderWatch> create(const std::vector<std::string>& log_paths) {
        UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        if (!fd) {
            const int error_number = errno;
            return Error::from_errno(error_number, "inotify_init1(2)").doing("follow logs");
        }
        FolderWatch watch(std::move(fd));
        for (const std::string& path : log_paths) {
            watch.folders_.insert(folder_of(path));
        }
        TRY(watch.cover());
        return watch;
    }

    int fd() const { return fd_.get(); }

    /// Takes what was reported, and watches folders that are there now.
    Result<void> drain() {
        alignas(inotify_event) char buffer[16384];
        std::uint32_t seen = 0;
        for (;;) {
            const ssize_t got =
                sys::retry_on_eintr([&] { return ::read(fd_.get(), buffer, sizeof buffer); });
            if (got <= 0) break;
            for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
                inotify_event event{};
                std::memcpy(&event, buffer + at, sizeof event);
                seen |= event.mask;
                at += sizeof event + event.len;
            }
        }
        if ((seen & ~static_cast<std::uint32_t>(IN_MODIFY)) != 0) TRY(cover());
        return {};
    }

private:
    explicit FolderWatch(UniqueFd fd) : fd_(std::move(fd)) {}

    /// Watches every folder, or the nearest one above it that is there. Asking again for what is
    /// watched already changes nothing, and a folder that was made anew gets a new watch.
    Result<void> cover() {
        constexpr std::uint32_t kEvents =
            IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
        for (const std::string& folder : folders_) {
            std::string path = folder;
            while (::inotify_add_watch(fd_.get(), path.c_str(), kEvents) == -1) {
                const int error_number = errno;
                if (error_number != ENOENT || path == "/" || path == ".") {
                    Error error = Error::from_errno(error_number, "inotify_add_watch(2)")
                                      .doing("watch '{}'", path);
                    return error_number == ENOSPC
                               ? std::move(error).help("raise fs.inotify.max_user_watches")
                               : std::move(error);
                }
                path = folder_of(path);
            }
        }
        return {};
    }

    UniqueFd fd_;
    std::set<std::string> folders_;
};

/// Milliseconds until `until` is over, for poll(2): -1 where it never is.
int time_left_ms(const std::optional<Clock::time_point>& until) {
    if (!until) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
}

/// Several logs as one, by time, without more in memory than a piece of each.
class Merger {
public:
    Merger(std::vector<LogFiles>& all, const LogOptions& options) : all_(all), options_(options) {
        queues_.resize(all.size());
    }

    /// Hands out everything that the logs hold now; false where `on_line` wants no more.
    Result<bool> run(const std::function<bool(const LogLine&)>& on_line) {
        for (std::size_t source = 0; source < all_.size(); ++source) TRY(refill(source));
        while (!next_.empty()) {
            const std::size_t source = next_.begin()->second;
            next_.erase(next_.begin());
            const LogLine line = std::move(queues_[source].front());
            queues_[source].pop_front();
            TRY(refill(source));
            if (!on_line(line)) return false;
        }
        return true;
    }

private:
    /// Makes the source's next line the one that it is chosen by.
    Result<void> refill(std::size_t source) {
        std::deque<LogLine>& queue = queues_[source];
        while (queue.empty()) {
            const bool more = TRY(all_[source].read_some([&](std::string_view line) {
                std::optional<LogLine> entry = parse_log_entry(line);
                if (!entry || !wanted(*entry, options_)) return;
                entry->source = source;
                queue.push_back(*std::move(entry));
            }));
            if (!more) break;
        }
        if (!queue.empty()) next_.emplace(queue.front().time, source);
        return {};
    }

    std::vector<LogFiles>& all_;
    const LogOptions& options_;
    std::vector<std::deque<LogLine>> queues_;
    std::set<std::pair<Clock::time_point, std::size_t>> next_;
};

/// The last `tail` lines of each source up to `until`: what comes after that can't be told from the
/// file's end.
class Tails {
public:
    Tails(std::size_t sources, std::size_t tail) : lines_(sources), tail_(tail) {}
    void add(const LogLine& line) {
        std::deque<LogLine>& own = lines_[line.source];
        own.push_back(line);
        if (own.size() > tail_) own.pop_front();
    }
    std::vector<LogLine> by_time() && {
        std::vector<LogLine> all;
        for (std::deque<LogLine>& own : lines_)
            for (LogLine& line : own) all.push_back(std::move(line));
        std::stable_sort(all.begin(), all.end(),
                         [](const LogLine& a, const LogLine& b) { return a.time < b.time; });
        return all;
    }

private:
    std::vector<std::deque<LogLine>> lines_;
    std::size_t tail_;
};

/// Everything that is there, by time; false where `on_line` wants no more.
Result<bool> deliver_all(std::vector<LogFiles>& all, const LogOptions& options,
                         const std::function<bool(const LogLine&)>& on_line) {
    Merger merger(all, options);
    if (!options.tail || !options.until) return merger.run(on_line);
    Tails tails(all.size(), *options.tail);
    TRY(merger.run([&](const LogLine& line) {
        tails.add(line);
        return true;
    }));
    for (const LogLine& line : std::move(tails).by_time())
        if (!on_line(line)) return false;
    return true;
}

}  // namespace

Result<void> read_logs(const std::vector<std::string>& log_paths, const LogOptions& options,
                       const std::function<void(const LogLine&)>& on_line) {
    std::vector<LogFiles> all = TRY(open_all(log_paths, options));
    TRY(deliver_all(all, options, [&](const LogLine& line) {
        on_line(line);
        return true;
    }));
    return {};
}

Result<void> follow_logs(const std::vector<std::string>& log_paths, const LogOptions& options,
                         int wake_fd, const std::function<bool()>& done,
                         const std::function<bool(const LogLine&)>& on_line) {
    // Watched before they are read: what is written in between wakes us up.
    FolderWatch watch = TRY(FolderWatch::create(log_paths));
    std::vector<LogFiles> all = TRY(open_all(log_paths, options));
    const ScopeGuard keep_positions([&] {
        for (std::size_t i = 0; options.positions != nullptr && i < all.size(); ++i)
            (*options.positions)[i] = all[i].position();
    });
    if (!TRY(deliver_all(all, options, on_line))) return {};
    for (;;) {
        // Asked before reading: what a container wrote before its end is read after we know of it.
        const bool last_time = (done && done()) || time_left_ms(options.until) == 0;
        std::vector<LogLine> fresh;
        for (std::size_t source = 0; source < all.size(); ++source)
            TRY(deliver(all[source], source, options, [&](const LogLine& line) {
                fresh.push_back(line);
                return true;
            }));
        std::stable_sort(fresh.begin(), fresh.end(),
                         [](const LogLine& a, const LogLine& b) { return a.time < b.time; });
        for (const LogLine& line : fresh)
            if (!on_line(line)) return {};
        if (last_time) return {};
        pollfd waiting[2] = {{watch.fd(), POLLIN, 0}, {wake_fd, POLLIN, 0}};
        const int ready =
            sys::retry_on_eintr([&] { return ::poll(waiting, 2, time_left_ms(options.until)); });
        if (ready == -1) {
            const int error_number = errno;
            return Error::from_errno(error_number, "poll(2)").doing("follow logs");
        }
        TRY(watch.drain());
    }
}

}  // namespace davit::stack
