#include "runtime/log_file.h"

#include "base/duration.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/sys.h"

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

/// Length of the UTF-8 sequence at the beginning of `text`; 0 where there is none.
/// @source RFC 3629, which also refuses surrogates and overlong forms
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto follows = [&](std::size_t i) {
        return i < text.size() && (byte(i) & 0xc0U) == 0x80;
    };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        if (!follows(1) || !follows(2)) return 0;
        if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
        return 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (!follows(1) || !follows(2) || !follows(3)) return 0;
        if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
        return 4;
    }
    return 0;
}

/// Where to cut a line that is too long: not inside a character, where that can be helped.
std::size_t cut(std::string_view text) {
    std::size_t at = LogFile::kLongestLine;
    for (int back = 0; back < 4 && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80; ++back)
        --at;
    return at;
}

std::string record(LogFile::Stream stream, std::string_view text,
                   std::chrono::system_clock::time_point now) {
    return fmt::format("{{\"log\":{},\"stream\":\"{}\",\"time\":\"{}\"}}\n", json_quoted(text),
                       stream == LogFile::Stream::Stdout ? "stdout" : "stderr", rfc3339(now));
}

}  // namespace

std::string json_quoted(std::string_view text) {
    std::string quoted = "\"";
    quoted.reserve(text.size() + 2);
    while (!text.empty()) {
        const char c = text.front();
        const std::size_t length = utf8_length(text);
        if (length == 0) {
            quoted += "\\ufffd";
        } else if (c == '"' || c == '\\') {
            quoted += '\\';
            quoted += c;
        } else if (c == '\n') {
            quoted += "\\n";
        } else if (c == '\r') {
            quoted += "\\r";
        } else if (c == '\t') {
            quoted += "\\t";
        } else if (static_cast<unsigned char>(c) < 0x20) {
            quoted += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
            quoted += text.substr(0, length);
        }
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return quoted += '"';
}

Result<LogFile> LogFile::open(Options options) {
    LogFile log(std::move(options));
    const std::string& path = log.options_.path;
    TRY(make_directories(path.substr(0, path.rfind('/')), 0700));
    FAILPOINT("log.open");
    TRY(log.reopen());
    return log;
}

Result<void> LogFile::reopen() {
    file_ = TRY(sys::open(options_.path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0640));
    struct stat info {};
    size_ = ::fstat(file_.get(), &info) == 0 ? info.st_size : 0;
    // A guard that was killed while it wrote has left half a record: it must not spoil the next.
    char last = '\n';
    if (size_ > 0 && ::pread(file_.get(), &last, 1, size_ - 1) == 1 && last != '\n' &&
        ::write(file_.get(), "\n", 1) == 1)
        ++size_;
    return {};
}

void LogFile::append(Stream stream, std::string_view bytes,
                     std::chrono::system_clock::time_point now) {
    std::string& waiting = partial(stream);
    std::string lines;
    waiting += bytes;
    std::string_view rest = waiting;
    for (;;) {
        const std::size_t line_break = rest.find('\n');
        std::size_t length = line_break == std::string_view::npos ? 0 : line_break + 1;
        if (length > LogFile::kLongestLine || (length == 0 && rest.size() > LogFile::kLongestLine))
            length = cut(rest);
        if (length == 0) break;
        lines += record(stream, rest.substr(0, length), now);
        rest.remove_prefix(length);
    }
    waiting.erase(0, waiting.size() - rest.size());
    if (!lines.empty()) write(lines);
}

void LogFile::flush(std::chrono::system_clock::time_point now) {
    for (const Stream stream : {Stream::Stdout, Stream::Stderr}) {
        std::string& waiting = partial(stream);
        if (waiting.empty()) continue;
        write(record(stream, waiting, now));
        waiting.clear();
    }
}

void LogFile::write(std::string_view records) {
    bool rotated = false;
    while (!records.empty()) {
        // As many whole records as the file has room for; one that is larger than a file gets one.
        std::size_t length = records.size();
        if (options_.max_size > 0) {
            const std::int64_t room = options_.max_size - size_;
            length = 0;
            while (length < records.size()) {
                const std::size_t next = records.find('\n', length) + 1;
                if (static_cast<std::int64_t>(next) > room) break;
                length = next;
            }
            // Once a record: where rotating fails, the file grows, and this loop goes on.
            if (length == 0 && size_ > 0 && !rotated) {
                rotate();
                rotated = true;
                continue;
            }
            if (length == 0) length = records.find('\n') + 1;
        }
        write_piece(records.substr(0, length));
        records.remove_prefix(length);
        rotated = false;
    }
}

void LogFile::write_piece(std::string_view records) {
    std::string text;
    if (lost_lines_ > 0)
        text =
            record(Stream::Stderr,
                   fmt::format("davit: {} lines could not be written and are lost\n", lost_lines_),
                   std::chrono::system_clock::now());
    text += records;
    const bool opened = file_ || reopen();
    if (opened && failpoint::hit("log.write") == 0 && write_all(file_, text)) {
        lost_lines_ = 0;
        size_ += static_cast<std::int64_t>(text.size());
        return;
    }
    lost_lines_ += static_cast<std::uint64_t>(std::count(records.begin(), records.end(), '\n'));
    // A disk that fills up cuts a write short: the part of a record that is there is taken back.
    struct stat info {};
    if (opened && ::fstat(file_.get(), &info) == 0 && info.st_size > size_)
        (void)!::ftruncate(file_.get(), size_);
}

void LogFile::rotate() {
    const auto name = [&](int number) {
        return number == 0 ? options_.path : fmt::format("{}.{}", options_.path, number);
    };
    const Rotation& rotation = options_.rotation;
    if (rotation.before) rotation.before();
    if (options_.max_files <= 1) ::unlink(options_.path.c_str());
    for (int number = options_.max_files - 1; number >= 1; --number) {
        const std::string to = name(number);
        const std::string from = name(number - 1);
        // The oldest one goes, in whichever form it is.
        ::unlink(to.c_str());
        ::unlink((to + ".gz").c_str());
        ::rename(from.c_str(), to.c_str());
        if (number > 1) ::rename((from + ".gz").c_str(), (to + ".gz").c_str());
    }
    // Where it can't be opened (folder removed by hand), lines are lost and counted until it can.
    file_.reset();
    size_ = 0;
    (void)reopen();
    if (rotation.after && options_.max_files > 1) rotation.after(name(1));
}

}  // namespace davit::runtime
