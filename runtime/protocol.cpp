#include "runtime/protocol.h"

#include "base/cure.h"
#include "base/sys.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

constexpr std::size_t kLongestPacket = 65536;

sockaddr_un address_of(const UniqueFd& folder) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = fmt::format("/proc/self/fd/{}/control.sock", folder.get());
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

Result<UniqueFd> make_socket() {
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket) return Error::from_errno(errno, "socket(2)");
    return socket;
}

}  // namespace

Result<void> send_packet(const UniqueFd& socket, const Json& packet) {
    const std::string text = packet.dump(-1, ' ', false, Json::error_handler_t::replace);
    const ssize_t put = sys::retry_on_eintr(
        [&] { return ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL); });
    if (put == -1) return Error::from_errno(errno, "send(2)");
    return {};
}

Result<Json> receive_packet(const UniqueFd& socket) {
    // Its length first: room for the longest would be more than most packets need by far.
    const ssize_t length =
        sys::retry_on_eintr([&] { return ::recv(socket.get(), nullptr, 0, MSG_PEEK | MSG_TRUNC); });
    std::string text(std::clamp<std::size_t>(length > 0 ? static_cast<std::size_t>(length) : 0, 1,
                                             kLongestPacket),
                     '\0');
    const ssize_t got =
        sys::retry_on_eintr([&] { return ::recv(socket.get(), text.data(), text.size(), 0); });
    if (got == -1 && errno != ECONNRESET) return Error::from_errno(errno, "recv(2)");
    if (got <= 0) return Error(ErrorKind::NotFound, "the guard is gone");
    text.resize(static_cast<std::size_t>(got));
    return parse_json(text, "the guard's packet");
}

Result<Json> receive_packet_within(const UniqueFd& socket, std::chrono::milliseconds limit) {
    pollfd ready{socket.get(), POLLIN, 0};
    const auto until = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            until - std::chrono::steady_clock::now());
        const int found =
            ::poll(&ready, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
        if (found == 1) return receive_packet(socket);
        if (found == -1 && errno != EINTR) return Error::from_errno(errno, "poll(2)");
        if (left.count() <= 0) return Error(ErrorKind::TimedOut, "no answer");
    }
}

Json ok_answer() { return {{"ok", true}}; }

Json error_answer(const Error& error) {
    return {{"ok", false},
            {"kind", static_cast<int>(error.kind())},
            {"message", error.to_string()},
            {"help", cure_of(error)}};
}

Result<void> as_result(const Json& answer) {
    if (const auto ok = answer.find("ok"); ok != answer.end() && *ok == Json(true)) return {};
    const long long kind = integer_or(answer, "kind", static_cast<int>(ErrorKind::Internal));
    Error error(static_cast<ErrorKind>(kind), string_or(answer, "message", "the guard refuses"));
    const std::string help = string_or(answer, "help");
    if (help.empty()) return error;
    return std::move(error).help(help);
}

Result<UniqueFd> connect_control(const std::string& folder) {
    const UniqueFd at = TRY(sys::open(folder, O_PATH | O_DIRECTORY));
    UniqueFd socket = TRY(make_socket());
    const sockaddr_un address = address_of(at);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
        -1) {
        const int error_number = errno;
        if (error_number == ECONNREFUSED || error_number == ENOENT)
            return Error(ErrorKind::NotFound, "its guard does not run");
        return Error::from_errno(error_number, "connect(2)").doing("speak with its guard");
    }
    return socket;
}

Result<UniqueFd> listen_control(const std::string& folder) {
    const UniqueFd at = TRY(sys::open(folder, O_PATH | O_DIRECTORY));
    UniqueFd socket = TRY(make_socket());
    const sockaddr_un address = address_of(at);
    ::unlink(address.sun_path);
    const mode_t before = ::umask(0177);  // root's alone from its first moment
    const int bound =
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int error_number = errno;
    ::umask(before);
    if (bound == -1 || ::listen(socket.get(), 16) == -1)
        return Error::from_errno(bound == -1 ? error_number : errno, "bind(2)")
            .doing("listen on '{}/control.sock'", folder);
    return socket;
}

}  // namespace davit::runtime
