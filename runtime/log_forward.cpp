#include "runtime/log_forward.h"

#include "base/duration.h"
#include "base/strings.h"
#include "base/sys.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

// syslog(3)
constexpr int kError = 3;
constexpr int kInfo = 6;

int severity_of(LogFile::Stream stream) {
    return stream == LogFile::Stream::Stderr ? kError : kInfo;
}

/// "Jan  2 15:04:05" in local time. @source RFC 3164 §4.1.2
std::string syslog_time(std::chrono::system_clock::time_point now) {
    constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    std::tm parts{};
    ::localtime_r(&seconds, &parts);
    return fmt::format("{} {:2} {:02}:{:02}:{:02}",
                       kMonths.at(static_cast<std::size_t>(parts.tm_mon)), parts.tm_mday,
                       parts.tm_hour, parts.tm_min, parts.tm_sec);
}

/// A field of the journal: with a length where the value has line breaks.
void add_field(std::string& datagram, std::string_view name, std::string_view value) {
    datagram += name;
    if (value.find('\n') == std::string_view::npos) {
        datagram += '=';
    } else {
        datagram += '\n';
        std::uint64_t length = value.size();
        for (std::size_t i = 0; i < sizeof length; ++i, length >>= 8U)
            datagram += static_cast<char>(length & 0xffU);
    }
    datagram += value;
    datagram += '\n';
}

std::string journal_datagram(const LogTarget& target, LogFile::Stream stream,
                             std::string_view line) {
    std::string datagram;
    add_field(datagram, "MESSAGE", line);
    add_field(datagram, "PRIORITY", std::to_string(severity_of(stream)));
    add_field(datagram, "SYSLOG_IDENTIFIER", target.tag);
    add_field(datagram, "CONTAINER_TAG", target.tag);
    for (const auto& [name, value] : target.fields) add_field(datagram, name, value);
    return datagram;
}

Result<sockaddr_storage> network_address(const std::string& text, socklen_t& length) {
    sockaddr_storage address{};
    const std::size_t colon = text.rfind(':');
    std::string host = text.substr(0, colon);
    const auto port =
        parse_integer(colon == std::string::npos ? std::string("514") : text.substr(colon + 1));
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (port && *port > 0 && *port < 65536) {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
        if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
            v4->sin_family = AF_INET;
            v4->sin_port = htons(static_cast<std::uint16_t>(*port));
            length = sizeof *v4;
            return address;
        }
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
        if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
            v6->sin6_family = AF_INET6;
            v6->sin6_port = htons(static_cast<std::uint16_t>(*port));
            length = sizeof *v6;
            return address;
        }
    }
    return Error(ErrorKind::InvalidInput,
                 fmt::format("'{}' is not an address with a port", printable(text)));
}

}  // namespace

Json to_json(const LogTarget& target) {
    return {{"kind", target.kind == LogTarget::Kind::Journald ? "journald" : "syslog"},
            {"address", target.address},
            {"tag", target.tag},
            {"facility", target.facility},
            {"rfc5424", target.rfc5424},
            {"hostname", target.hostname},
            {"fields", target.fields}};
}

Result<LogTarget> log_target_of(const Json& json) {
    return decode_json(json, "log target", [](const Json& from) {
        LogTarget target;
        target.kind = from.at("kind").get<std::string>() == "journald" ? LogTarget::Kind::Journald
                                                                       : LogTarget::Kind::Syslog;
        from.at("address").get_to(target.address);
        from.at("tag").get_to(target.tag);
        from.at("facility").get_to(target.facility);
        from.at("rfc5424").get_to(target.rfc5424);
        from.at("hostname").get_to(target.hostname);
        from.at("fields").get_to(target.fields);
        return target;
    });
}

std::string log_datagram(const LogTarget& target, LogFile::Stream stream, std::string_view line,
                         std::chrono::system_clock::time_point now) {
    if (target.kind == LogTarget::Kind::Journald) return journal_datagram(target, stream, line);
    constexpr int kFacilityShift = 8;
    const int priority = target.facility * kFacilityShift + severity_of(stream);
    if (target.rfc5424)
        return fmt::format("<{}>1 {} {} {} {} - - {}", priority, rfc3339(now),
                           target.hostname.empty() ? "-" : target.hostname, target.tag, ::getpid(),
                           line);
    const std::string host = target.hostname.empty() ? "" : target.hostname + " ";
    return fmt::format("<{}>{} {}{}[{}]: {}", priority, syslog_time(now), host, target.tag,
                       ::getpid(), line);
}

Result<LogForwarder> LogForwarder::open(LogTarget target) {
    LogForwarder forwarder(std::move(target));
    TRY_DOING(forwarder.connect(), "send logs to '{}'", forwarder.target_.address);
    return forwarder;
}

Result<void> LogForwarder::connect() {
    sockaddr_storage address{};
    socklen_t length = 0;
    if (target_.address.starts_with('/')) {
        auto* local = reinterpret_cast<sockaddr_un*>(&address);
        if (target_.address.size() >= sizeof local->sun_path)
            return Error(ErrorKind::InvalidInput, "the path of the socket is too long");
        local->sun_family = AF_UNIX;
        std::memcpy(local->sun_path, target_.address.c_str(), target_.address.size() + 1);
        length = sizeof *local;
    } else {
        address = TRY(network_address(target_.address, length));
    }
    UniqueFd socket(::socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return Error::from_errno(errno, "socket(2)");
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) == -1)
        return Error::from_errno(errno, "connect(2)");
    socket_ = std::move(socket);
    return {};
}

bool LogForwarder::send_datagram(const std::string& datagram) {
    for (int attempt = 0; attempt < 2; ++attempt) {
        if (!socket_ && !connect()) return false;
        const ssize_t sent = sys::retry_on_eintr(
            [&] { return ::send(socket_.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL); });
        if (sent != -1 || errno == EAGAIN) return sent != -1;
        socket_.reset();  // the receiver was started anew
    }
    return false;
}

void LogForwarder::send_line(LogFile::Stream stream, std::string_view line,
                             std::chrono::system_clock::time_point now) {
    if (lost_lines_ > 0) {
        const std::string words =
            fmt::format("davit: {} lines could not be sent and are lost", lost_lines_);
        if (send_datagram(log_datagram(target_, LogFile::Stream::Stderr, words, now)))
            lost_lines_ = 0;
    }
    if (!send_datagram(log_datagram(target_, stream, line, now))) ++lost_lines_;
}

void LogForwarder::append(LogFile::Stream stream, std::string_view bytes,
                          std::chrono::system_clock::time_point now) {
    std::string& waiting = stream == LogFile::Stream::Stdout ? out_ : err_;
    waiting += bytes;
    std::string_view rest = waiting;
    for (;;) {
        std::size_t end = rest.find('\n');
        const bool broken = end == std::string_view::npos || end > LogFile::kLongestLine;
        if (broken && rest.size() <= LogFile::kLongestLine) break;
        if (broken) end = LogFile::kLongestLine;
        if (end > 0) send_line(stream, rest.substr(0, end), now);
        rest.remove_prefix(broken ? end : end + 1);
    }
    waiting.erase(0, waiting.size() - rest.size());
}

void LogForwarder::flush(std::chrono::system_clock::time_point now) {
    for (const LogFile::Stream stream : {LogFile::Stream::Stdout, LogFile::Stream::Stderr}) {
        std::string& waiting = stream == LogFile::Stream::Stdout ? out_ : err_;
        if (!waiting.empty()) send_line(stream, waiting, now);
        waiting.clear();
    }
}

}  // namespace davit::runtime
