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
#include <csignal>
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

    ~Inside() {
        if (signals) ::sigprocmask(SIG_SETMASK, &before, nullptr);
    }
    Result<void> block_signals();
    void send(AttachPacket kind, std::string_view bytes) const;
    void send_size() const;
    bool read_input();
    Result<std::optional<End>> read_packet() const;
    void pass_signal();
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

void Attachment::Inside::send(AttachPacket kind, std::string_view bytes) const {
    std::string packet(1, static_cast<char>(kind));
    packet += bytes;
    sys::retry_on_eintr(
        [&] { return ::send(socket.get(), packet.data(), packet.size(), MSG_NOSIGNAL); });
}

void Attachment::Inside::send_size() const {
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
Result<std::optional<Attachment::End>> Attachment::Inside::read_packet() const {
    std::array<char, kAttachBytes + 1> buffer{};
    const auto receive = [&] {
        return sys::retry_on_eintr(
            [&] { return ::recv(socket.get(), buffer.data(), buffer.size(), 0); });
    };
    ssize_t got = receive();
    // A guard that ends without having read our last packet resets the connection; what it said
    // before that is still there to be read.
    if (got == -1 && errno == ECONNRESET) got = receive();
    if (got <= 0) return std::optional<End>(End{.lost = true});
    const std::string_view text(buffer.data() + 1, static_cast<std::size_t>(got) - 1);
    const auto kind = static_cast<AttachPacket>(buffer.front());
    if (kind == AttachPacket::Ended)
        return std::optional<End>(
            End{.exit_code = static_cast<int>(parse_integer(text).value_or(0))});
    const int to = kind == AttachPacket::Error ? STDERR_FILENO : STDOUT_FILENO;
    for (std::size_t done = 0; done < text.size();) {
        const ssize_t put = sys::retry_on_eintr(
            [&] { return ::write(to, text.data() + done, text.size() - done); });
        if (put == -1) return Error::from_errno(errno, "write(2)").doing("pass the output on");
        done += static_cast<std::size_t>(put);
    }
    return std::optional<End>();
}

void Attachment::Inside::pass_signal() {
    signalfd_siginfo info{};
    if (::read(signals.get(), &info, sizeof info) != sizeof info) return;
    const int number = static_cast<int>(info.ssi_signo);
    if (number == SIGWINCH) {
        if (terminal) send_size();
    } else if (options.pass_signals) {
        (void)kill(run_dir, number);  // it may have ended just now
    }
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
    std::array<pollfd, 3> watched = {{{inside_->socket.get(), POLLIN, 0},
                                      {inside_->signals.get(), POLLIN, 0},
                                      {STDIN_FILENO, POLLIN, 0}}};
    for (;;) {
        watched[2].fd = inside_->options.input ? STDIN_FILENO : -1;
        if (::poll(watched.data(), watched.size(), -1) == -1) {
            if (errno == EINTR) continue;
            return Error::from_errno(errno, "poll(2)");
        }
        if (watched[0].revents != 0) {
            const std::optional<End> ended = TRY(inside_->read_packet());
            if (ended) return *ended;
        }
        if (watched[1].revents != 0) inside_->pass_signal();
        if (watched[2].revents != 0 && !inside_->read_input()) return End{.detached = true};
    }
}

}  // namespace davit::runtime
