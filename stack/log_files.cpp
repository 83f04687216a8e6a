#include "stack/log_files.h"

#include "base/sys.h"
#include "stack/compressed_log.h"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

namespace davit::stack {
namespace {

constexpr std::size_t kChunk = 64U << 10U;
constexpr int kMostFiles = 10000;  // far above any max-file

Result<std::size_t> read_at(const UniqueFd& fd, char* buffer, std::size_t size, off_t offset) {
    const ssize_t got =
        sys::retry_on_eintr([&] { return ::pread(fd.get(), buffer, size, offset); });
    if (got == -1) {
        const int error_number = errno;
        return Error::from_errno(error_number, "pread(2)");
    }
    return static_cast<std::size_t>(got);
}

Result<struct stat> look_at(const UniqueFd& fd) {
    struct stat info {};
    if (::fstat(fd.get(), &info) == -1) {
        const int error_number = errno;
        return Error::from_errno(error_number, "fstat(2)");
    }
    return info;
}

struct TailStart {
    off_t offset = 0;
    std::size_t lines = 0;  ///< From there to the end.
};

/// Where the last `wanted` lines of a file of `size` bytes begin. Reads backwards, and no more than
/// those lines; a last line without an end counts for none.
Result<TailStart> find_tail(const UniqueFd& fd, off_t size, std::size_t wanted) {
    TailStart start;
    start.offset = size;
    std::vector<char> buffer(kChunk);
    std::size_t breaks = 0;
    for (off_t end = size; end > 0;) {
        const off_t begin = std::max<off_t>(end - static_cast<off_t>(kChunk), 0);
        const std::size_t got =
            TRY(read_at(fd, buffer.data(), static_cast<std::size_t>(end - begin), begin));
        for (std::size_t i = got; i > 0; --i) {
            if (buffer[i - 1] != '\n') continue;
            // This break ends a line that begins before it, and the line after it begins here.
            if (breaks > 0 || wanted == 0) start.offset = begin + static_cast<off_t>(i);
            start.lines = breaks;
            if (breaks == wanted) return start;
            ++breaks;
        }
        end = begin;
    }
    start.lines = breaks;
    start.offset = 0;
    return start;
}

}  // namespace

/// The file, or what it became when it was compressed. Of one that is `known` only the inode
/// counts.
Result<LogFiles::File> LogFiles::open_one(const std::string& path, ino_t known) {
    File file;
    Result<UniqueFd> plain = sys::open(path, O_RDONLY | O_NOFOLLOW);
    if (plain) {
        file.inode = TRY(look_at(*plain)).st_ino;
        file.fd = *std::move(plain);
        return file;
    }
    if (plain.error().kind() != ErrorKind::NotFound) return std::move(plain).error();
    const CompressedLog log = TRY(open_compressed(path + ".gz"));
    file.inode = log.inode;
    if (log.inode != known) file.fd = TRY_DOING(decompress_log(log), "read '{}.gz'", path);
    return file;
}

Result<std::vector<LogFiles::File>> LogFiles::open_newer_than(ino_t known) const {
    int missing = 0;
    std::vector<File> newest_first;
    for (int number = 0; number < kMostFiles; ++number) {
        const std::string path = number == 0 ? path_ : fmt::format("{}.{}", path_, number);
        Result<File> opened = open_one(path, known);
        if (!opened && opened.error().kind() == ErrorKind::NotFound) {
            // Between two renames of a rotation one name is missing for a moment; two are the end.
            if (++missing == 2) break;
            continue;
        }
        if (!opened) return std::move(opened).error();
        missing = 0;
        if (opened->inode == known) break;
        const bool seen =
            std::any_of(newest_first.begin(), newest_first.end(),
                        [&](const File& file) { return file.inode == opened->inode; });
        if (!seen) newest_first.push_back(*std::move(opened));
    }
    std::reverse(newest_first.begin(), newest_first.end());
    return newest_first;
}

Result<void> LogFiles::seek(std::optional<std::size_t> tail, std::optional<std::int64_t> since_s) {
    files_ = TRY(open_newer_than(0));
    std::size_t wanted = tail.value_or(0);
    for (auto file = files_.rbegin(); file != files_.rend(); ++file) {
        const struct stat info = TRY(look_at(file->fd));
        if (tail) {
            const TailStart start =
                TRY_DOING(find_tail(file->fd, info.st_size, wanted), "read the end of '{}'", path_);
            file->offset = start.offset;
            wanted -= std::min(wanted, start.lines);
        }
        if (since_s && info.st_mtim.tv_sec < *since_s) file->offset = info.st_size;
    }
    return {};
}

Result<void> LogFiles::seek_behind(const LogPosition& place) {
    files_ = TRY(open_newer_than(0));
    const auto read = std::find_if(files_.begin(), files_.end(),
                                   [&](const File& file) { return file.inode == place.inode; });
    if (read == files_.end()) return {};
    read->offset = place.offset;
    files_.erase(files_.begin(), read);
    return {};
}

LogPosition LogFiles::position() const {
    if (files_.empty()) return {};
    const File& last = files_.back();
    return {last.inode, last.offset - static_cast<off_t>(last.rest.size())};
}

Result<bool> LogFiles::drain(File& file, const std::function<bool(std::string_view)>& on_line) {
    const struct stat info = TRY(look_at(file.fd));
    if (info.st_size < file.offset) {  // somebody emptied it
        file.offset = 0;
        file.rest.clear();
    }
    bool stopped = false;
    while (TRY(read_piece(file, stopped, on_line)) > 0)
        if (stopped) return false;
    return true;
}

Result<std::size_t> LogFiles::read_piece(File& file, bool& stopped,
                                         const std::function<bool(std::string_view)>& on_line) {
    std::vector<char> buffer(kChunk);
    const std::size_t got = TRY(read_at(file.fd, buffer.data(), buffer.size(), file.offset));
    std::string_view fresh(buffer.data(), got);
    for (std::size_t end = fresh.find('\n'); end != std::string_view::npos;
         end = fresh.find('\n')) {
        file.rest.append(fresh.substr(0, end));
        // Counted line by line: who stops here goes on behind it.
        file.offset += static_cast<off_t>(end) + 1;
        fresh.remove_prefix(end + 1);
        stopped = !on_line(file.rest);
        file.rest.clear();
        if (stopped) return got;
    }
    file.offset += static_cast<off_t>(fresh.size());
    file.rest.append(fresh);
    return got;
}

Result<bool> LogFiles::read_some(const std::function<void(std::string_view)>& on_line) {
    for (File& file : files_) {
        bool stopped = false;
        const auto take = [&](std::string_view line) {
            on_line(line);
            return true;
        };
        if (TRY_DOING(read_piece(file, stopped, take), "read '{}'", path_) > 0) return true;
    }
    return false;
}

Result<bool> LogFiles::read_new(const std::function<bool(std::string_view)>& on_line) {
    for (;;) {
        for (File& file : files_) {
            const bool go_on = TRY_DOING(drain(file, on_line), "read '{}'", path_);
            if (!go_on) return false;
        }
        struct stat now {};
        const bool there = ::stat(path_.c_str(), &now) == 0;
        const ino_t known = files_.empty() ? 0 : files_.back().inode;
        if (!there || now.st_ino == known) {
            if (files_.size() > 1) files_.erase(files_.begin(), files_.end() - 1);
            return true;
        }
        // Rotated, or new. What was written to the known file just before its rename comes first.
        std::vector<File> newer = TRY(open_newer_than(known));
        if (newer.empty()) return true;
        if (!files_.empty()) {
            const bool go_on = TRY_DOING(drain(files_.back(), on_line), "read '{}'", path_);
            if (!go_on) return false;
        }
        files_ = std::move(newer);
    }
}

}  // namespace davit::stack
