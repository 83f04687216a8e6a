#include "runtime/attach_client.h"

#include "base/strings.h"
#include "base/sys.h"
#include "runtime/attachments.h"
#include "runtime/exec_terminal.h"
#include "runtime/guard_client.h"
#include "runtime/protocol.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <deque>
#include <fmt/format.h>
#include <optional>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace davit::runtime {

Result<std::string> key_bytes(const std::string& keys) {
    std::string bytes;
    if (keys.empty()) return bytes;
    for (const std::string& key : split(keys, ',')) {
        constexpr std::string_view kControl = "ctrl-";
        if (key.size() == 1) {
            bytes += key;
            continue;
        }
        const char last = key.empty() ? '\0' : key.back();
        const bool control = key.starts_with(kControl) && key.size() == kControl.size() + 1;
        if (control && last >= 'a' && last <= 'z')
            bytes += static_cast<char>(last - 'a' + 1);
        else if (control && (last == '@' || (last >= '[' && last <= '_')))
            bytes += static_cast<char>(last - '@');
        else
            return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not a key", printable(key)))
                .help("write keys such as 'ctrl-p,ctrl-q' or 'ctrl-]'");
    }
    return bytes;
}

/// Finds the detach keys in what is typed. Keys that begin them are held back until it is clear.
class KeyWatch {
public:
    explicit KeyWatch(std::string keys) : keys_(std::move(keys)) {}

    struct Typed {
        std::string passed = {};  ///< Goes on to the program.
        bool detached = false;    ///< The keys came after it.
    };
    Typed pass(std::string_view typed) {
        if (keys_.empty()) return {std::string(typed)};
        std::string out;
        for (const char c : typed) {
            if (c == keys_[seen_]) {
                if (++seen_ == keys_.size()) return {std::move(out), true};
                continue;
            }
            out += keys_.substr(0, seen_);
            seen_ = c == keys_.front() ? 1 : 0;
            if (seen_ == 0) out += c;
        }
        return {std::move(out)};
    }

private:
    std::string keys_;
    std::size_t seen_ = 0;
};

struct Attachment::Inside {
    AttachOptions options;
    std::string run_dir;
    UniqueFd socket;
    UniqueFd signals;
    sigset_t before{};
    bool terminal = false;
    std::optional<KeyWatch> keys;
    std::deque<std::string> packets = {};  ///< For the guard, which may read them later.
    std::string output = {};               ///< What the caller's stream has not taken yet.
    int output_fd = -1;                    ///< That stream.

    ~Inside() {
        if (signals) ::sigprocmask(SIG_SETMASK, &before, nullptr);
    }
    Result<void> block_signals();
    void send(AttachPacket kind, std::string_view bytes);
    void send_packets();
    void send_size();
    bool read_input();
    std::optional<End> read_packet();
    Result<void> write_output();
    bool pass_signal();
};

/// The same signals as any program that stands in for another passes on.
Result<void> Attachment::Inside::block_signals() {
    sigset_t passed;
    ::sigemptyset(&passed);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH})
        ::sigaddset(&passed, signal);
    if (::sigprocmask(SIG_BLOCK, &passed, &before) == -1)
        return Error::from_errno(errno, "sigprocmask(2)");
    signals.reset(::signalfd(-1, &passed, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) return Error::from_errno(errno, "signalfd(2)");
    return {};
}

void Attachment::Inside::send(AttachPacket kind, std::string_view bytes) {
    std::string packet(1, static_cast<char>(kind));
    packet += bytes;
    packets.push_back(std::move(packet));
    send_packets();
}

/// As many as the guard takes now. It doesn't read on while the program doesn't, which may wait for
/// us to read its output: who waited here would wait for ever.
void Attachment::Inside::send_packets() {
    while (!packets.empty()) {
        const std::string& packet = packets.front();
        const ssize_t sent = sys::retry_on_eintr([&] {
            return ::send(socket.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        });
        if (sent == -1 && errno == EAGAIN) return;
        packets.pop_front();  // where the guard is gone, reading tells
    }
}

void Attachment::Inside::send_size() {
    winsize size{};
    if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
        send(AttachPacket::Resize, fmt::format("{} {}", size.ws_row, size.ws_col));
}

/// False: the user has typed the detach keys.
bool Attachment::Inside::read_input() {
    std::array<char, kAttachBytes> buffer{};
    const ssize_t got =
        sys::retry_on_eintr([&] { return ::read(STDIN_FILENO, buffer.data(), buffer.size()); });
    if (got <= 0) {
        send(AttachPacket::Closed, "");
        options.input = false;
        return true;
    }
    const std::string_view typed(buffer.data(), static_cast<std::size_t>(got));
    if (!keys) {
        send(AttachPacket::Input, typed);
        return true;
    }
    const KeyWatch::Typed watched = keys->pass(typed);
    if (!watched.passed.empty()) send(AttachPacket::Input, watched.passed);
    return !watched.detached;
}

/// How the run ended, once it has; else nothing.
std::optional<Attachment::End> Attachment::Inside::read_packet() {
    std::array<char, kAttachBytes + 1> buffer{};
    const auto receive = [&] {
        return sys::retry_on_eintr(
            [&] { return ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT); });
    };
    ssize_t got = receive();
    if (got == -1 && errno == EAGAIN) return {};
    // A guard that ends without having read our last packet resets the connection; what it said
    // before that is still there to be read.
    if (got == -1 && errno == ECONNRESET) got = receive();
    if (got <= 0) return End{.lost = true};
    const std::string_view text(buffer.data() + 1, static_cast<std::size_t>(got) - 1);
    const auto kind = static_cast<AttachPacket>(buffer.front());
    if (kind == AttachPacket::Ended)
        return End{.exit_code = static_cast<int>(parse_integer(text).value_or(0))};
    output_fd = kind == AttachPacket::Error ? STDERR_FILENO : STDOUT_FILENO;
    output = text;
    return {};
}

/// What a stream takes that is said to have room: of a pipe that is so much at least, and more
/// could wait for its reader, and keep signals waiting.
Result<void> Attachment::Inside::write_output() {
    const std::size_t most = std::min<std::size_t>(output.size(), PIPE_BUF);
    const ssize_t put =
        sys::retry_on_eintr([&] { return ::write(output_fd, output.data(), most); });
    if (put == -1 && errno == EAGAIN) return {};  // somebody has made it so
    if (put == -1) return Error::from_errno(errno, "write(2)").doing("pass the output on");
    output.erase(0, static_cast<std::size_t>(put));
    return {};
}

/// False: there is nobody any more to pass one on to.
bool Attachment::Inside::pass_signal() {
    signalfd_siginfo info{};
    if (::read(signals.get(), &info, sizeof info) != sizeof info) return true;
    const int number = static_cast<int>(info.ssi_signo);
    if (number == SIGWINCH) {
        if (terminal) send_size();
        return true;
    }
    return !options.pass_signals || kill(run_dir, number).ok();
}

Attachment::Attachment(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Attachment::Attachment(Attachment&&) noexcept = default;
Attachment& Attachment::operator=(Attachment&&) noexcept = default;
Attachment::~Attachment() = default;

bool Attachment::has_terminal() const { return inside_->terminal; }

Result<Attachment> Attachment::open(const std::string& run_dir, AttachOptions options) {
    auto inside = std::make_unique<Inside>();
    const std::string keys = TRY(key_bytes(options.detach_keys));
    inside->socket = TRY(connect_control(run_dir));
    TRY(send_packet(
        inside->socket,
        {{"op", "attach"}, {"input", options.input}, {"all_output", options.all_output}}));
    const Json answer =
        TRY_DOING(receive_packet_within(inside->socket, kPatience), "reach the guard");
    TRY(as_result(answer));
    inside->terminal = answer.value("terminal", false);
    if (!answer.value("input", false)) options.input = false;
    if (inside->terminal && options.input) inside->keys.emplace(keys);
    inside->options = std::move(options);
    inside->run_dir = run_dir;
    TRY(inside->block_signals());
    return Attachment(std::move(inside));
}

Result<Attachment::End> Attachment::run() {
    std::optional<RawTerminal> raw;
    if (inside_->terminal && inside_->options.input && ::isatty(STDIN_FILENO) == 1) raw.emplace();
    if (inside_->terminal) inside_->send_size();
    for (;;) {
        Inside& in = *inside_;
        // What comes in waits for what goes out: neither side keeps more than one packet in hand.
        const bool reads = in.output.empty();
        const bool types = in.options.input && in.packets.empty();
        const auto events =
            static_cast<short>((reads ? POLLIN : 0) | (in.packets.empty() ? 0 : POLLOUT));
        std::array<pollfd, 4> watched = {{{events != 0 ? in.socket.get() : -1, events, 0},
                                          {in.signals.get(), POLLIN, 0},
                                          {types ? STDIN_FILENO : -1, POLLIN, 0},
                                          {reads ? -1 : in.output_fd, POLLOUT, 0}}};
        if (::poll(watched.data(), watched.size(), -1) == -1) {
            if (errno == EINTR) continue;
            return Error::from_errno(errno, "poll(2)");
        }
        if (watched[3].revents != 0) TRY(in.write_output());
        if ((watched[0].revents & ~POLLIN) != 0) in.send_packets();
        if (reads && (watched[0].revents & ~POLLOUT) != 0) {
            const std::optional<End> ended = in.read_packet();
            if (ended) return *ended;
        }
        // Where all is well but for a reader that doesn't read, the end is still to be told.
        if (watched[1].revents != 0 && !in.pass_signal() && !in.output.empty())
            return End{.lost = true};
        if (watched[2].revents != 0 && !in.read_input()) return End{.detached = true};
    }
}

}  // namespace davit::runtime
