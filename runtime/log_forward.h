#pragma once

#include "base/json.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/log_file.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace davit::runtime {

/// Where a container's lines go beside its log file.
struct LogTarget {
    enum class Kind { Journald, Syslog };
    Kind kind = Kind::Syslog;
    /// A socket's path, or "ADDRESS:PORT" of a UDP receiver.
    std::string address = {};
    std::string tag = {};
    int facility = 3;           ///< syslog(3): 3 is daemon.
    bool rfc5424 = false;       ///< The form of a syslog message; else that of RFC 3164.
    std::string hostname = {};  ///< Named in syslog messages; empty: none.
    /// journald: further fields, by their names: CONTAINER_ID, CONTAINER_NAME, IMAGE_NAME.
    std::map<std::string, std::string> fields = {};
};

Json to_json(const LogTarget& target);
/// @errors InvalidInput
Result<LogTarget> log_target_of(const Json& json);

/// Sends each line as one datagram, and never waits: what the receiver doesn't take is counted, and
/// said in a line as soon as it takes one again.
/// @source systemd.journal-fields(7), "Native Journal Protocol"; RFC 3164, RFC 5424
class LogForwarder {
public:
    /// @errors NotFound where there is no such socket; InvalidInput for an address that is none
    static Result<LogForwarder> open(LogTarget target);

    void append(LogFile::Stream stream, std::string_view bytes,
                std::chrono::system_clock::time_point now);
    /// Sends what waits for a line break: the program has ended.
    void flush(std::chrono::system_clock::time_point now);

private:
    explicit LogForwarder(LogTarget target) : target_(std::move(target)) {}
    void send_line(LogFile::Stream stream, std::string_view line,
                   std::chrono::system_clock::time_point now);
    bool send_datagram(const std::string& datagram);
    Result<void> connect();

    LogTarget target_;
    UniqueFd socket_;
    std::string out_;
    std::string err_;
    std::uint64_t lost_lines_ = 0;
};

/// One line as a datagram. Pure.
std::string log_datagram(const LogTarget& target, LogFile::Stream stream, std::string_view line,
                         std::chrono::system_clock::time_point now);

}  // namespace davit::runtime
