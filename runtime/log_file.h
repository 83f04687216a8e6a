#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace davit::runtime {

/// The log of one container: JSON lines as Docker's json-file driver writes them,
///
///     {"log":"text\n","stream":"stdout","time":"2026-01-02T03:04:05.000000006Z"}
///
/// in `path`, rotated by rename to path.1 (newer) … path.N (older), or path.1.gz … path.N.gz. Never
/// blocks the container: what can't be written (disk full) is counted and said in a line as soon as
/// writing works again.
class LogFile {
public:
    /// What is done around a rotation, by who compresses the files.
    struct Rotation {
        std::function<void()> before = {};
        std::function<void(const std::string& newest)> after = {};
    };
    struct Options {
        std::string path = {};
        std::int64_t max_size = -1;  ///< Bytes of one file; -1: no limit.
        int max_files = 1;           ///< Files in all, the current one included.
        Rotation rotation = {};
    };
    enum class Stream { Stdout, Stderr };
    /// In bytes; what is longer is split, as Docker splits it.
    static constexpr std::size_t kLongestLine = 16384;

    /// Opens the log, making its folder. A log that is there is continued.
    static Result<LogFile> open(Options options);

    /// Takes what the program wrote. Whole lines are written at once; the rest waits for its line
    /// break, or for 16 KiB, at which a line is split.
    void append(Stream stream, std::string_view bytes, std::chrono::system_clock::time_point now);
    /// Writes what waits for a line break: the program has ended.
    void flush(std::chrono::system_clock::time_point now);

private:
    explicit LogFile(Options options) : options_(std::move(options)) {}
    std::string& partial(Stream stream) { return stream == Stream::Stdout ? out_ : err_; }
    /// Writes whole records, rotating between two of them where the size asks for it.
    void write(std::string_view records);
    void write_piece(std::string_view records);
    void rotate();
    Result<void> reopen();

    Options options_;
    UniqueFd file_;
    std::int64_t size_ = 0;
    std::uint64_t lost_lines_ = 0;
    std::string out_;
    std::string err_;
};

/// `text` as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD. Pure.
std::string json_quoted(std::string_view text);

}  // namespace davit::runtime
