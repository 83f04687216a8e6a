#include "base/log.h"
#include "base/sys.h"
#include "runtime/exec_terminal.h"
#include "runtime/guard_process.h"
#include "runtime/log_compress.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// What a container writes and reads: FIFOs or a terminal, its log, and who is attached.
namespace davit::runtime {
namespace {

/// The host id of a container id.
std::uint32_t host_id(const std::vector<IdMapping>& mappings, std::uint32_t id) {
    for (const IdMapping& m : mappings) {
        if (id >= m.container_id && id - m.container_id < m.size)
            return m.host_id + (id - m.container_id);
    }
    return id;
}

}  // namespace

/// The FIFO that an adopted container writes to, or a new one.
Result<UniqueFd> Guard::open_fifo(const char* name, const Spec& spec) const {
    if (!options_.adopt) return make_fifo(name, spec);
    return sys::open(fmt::format("{}/{}", options_.run_dir, name),
                     O_RDWR | O_NONBLOCK | O_NOFOLLOW);
}

Result<UniqueFd> Guard::make_fifo(const char* name, const Spec& spec) const {
    const std::string path = fmt::format("{}/{}", options_.run_dir, name);
    ::unlink(path.c_str());
    if (::mkfifo(path.c_str(), 0600) == -1) {
        const int error_number = errno;
        return Error::from_errno(error_number, "mkfifo(3)").doing("make '{}'", path);
    }
    // Open for both, so that the other side never sees an end, whoever dies first.
    UniqueFd fifo = TRY(sys::open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW));
    // Programs open /dev/stdout again by name, as their own user.
    const bool mapped = spec.namespaces.user;
    const uid_t uid = mapped ? host_id(spec.uid_mappings, spec.user.uid) : spec.user.uid;
    const gid_t gid = mapped ? host_id(spec.gid_mappings, spec.user.gid) : spec.user.gid;
    if (::fchown(fifo.get(), uid, gid) == -1) return Error::from_errno(errno, "fchown(2)");
    return fifo;
}

Result<void> Guard::open_streams(const Spec& spec) {
    out_ = TRY(open_fifo("stdout", spec));
    err_ = TRY(open_fifo("stderr", spec));
    const std::string input = annotation_of(spec, kStdin);
    takes_input_ = !input.empty();
    input_once_ = input == "once";
    Attachments::Callbacks callbacks;
    callbacks.resize = [this](unsigned rows, unsigned columns) {
        winsize size{};
        size.ws_row = static_cast<unsigned short>(rows);
        size.ws_col = static_cast<unsigned short>(columns);
        if (terminal_) ::ioctl(terminal_.get(), TIOCSWINSZ, &size);
    };
    callbacks.gone = [this](int fd) {
        clients_.erase(fd);
        if (finished_ && attached_->empty()) loop_.quit();
    };
    callbacks.room = [this] {
        output_waits_ = false;
        if (const Result<void> watched = watch_output(); !watched)
            log::error("runtime", "{}", watched.error().to_string());
    };
    attached_ = std::make_unique<Attachments>(loop_, std::move(callbacks));
    return watch_output();
}

Result<void> Guard::watch_output() {
    if (terminal_)
        TRY(loop_.watch(terminal_.get(), EPOLLIN, [this](std::uint32_t) { on_terminal(); }));
    TRY(loop_.watch(out_.get(), EPOLLIN,
                    [this](std::uint32_t) { on_output(LogFile::Stream::Stdout); }));
    return loop_.watch(err_.get(), EPOLLIN,
                       [this](std::uint32_t) { on_output(LogFile::Stream::Stderr); });
}

/// So that the program is not hung up on when this guard is killed.
Result<void> Guard::keep_open(const UniqueFd& fd) {
    state_.keeper = TRY_DOING(start_keeper(fd, container_->pidfd()), "start a keeper");
    return {};
}

/// What an earlier guard's keeper has of the container's: it goes on as if nothing had been.
void Guard::take_kept() {
    if (state_.keeper.pid == 0 || options_.renew) return;
    Result<UniqueFd> kept = kept_by(state_.keeper);
    if (!kept) return log::warn("runtime", "{}", kept.error().to_string());
    if (container_->spec().terminal)
        terminal_ = *std::move(kept);
    else
        input_ = *std::move(kept);
    if (!terminal_ || !takes_input_) return;
    input_.reset(::fcntl(terminal_.get(), F_DUPFD_CLOEXEC, 0));
}

/// The program's end of its standard input: a pipe of this run's, or nothing.
Result<UniqueFd> Guard::open_input() {
    if (!takes_input_) return sys::open("/dev/null", O_RDONLY);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == -1) return Error::from_errno(errno, "pipe2(2)");
    UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    if (::fcntl(write_end.get(), F_SETFL, O_NONBLOCK) == -1)
        return Error::from_errno(errno, "fcntl(2)");
    attached_->set_input(std::move(write_end), !input_once_);
    return read_end;
}

Result<void> Guard::create_with_pipes() {
    // The container's ends block: a program that is faster than the disk waits, as with any pipe.
    const UniqueFd out = TRY(sys::open(options_.run_dir + "/stdout", O_RDWR));
    const UniqueFd err = TRY(sys::open(options_.run_dir + "/stderr", O_RDWR));
    const UniqueFd in = TRY(open_input());
    Streams streams;
    streams.in = in.get();
    streams.out = out.get();
    streams.err = err.get();
    TRY(container_->create(streams));
    // One that ends with who is attached first ends with its guard too.
    if (!takes_input_ || input_once_) return {};
    const UniqueFd kept(::fcntl(attached_->input(), F_DUPFD_CLOEXEC, 0));
    if (!kept) return Error::from_errno(errno, "fcntl(2)");
    return keep_open(kept);
}

/// The program's streams are a terminal of the container's; its other end comes by a socket.
Result<void> Guard::create_with_terminal() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
        return Error::from_errno(errno, "socketpair(2)");
    const UniqueFd ours(ends[0]);
    UniqueFd theirs(ends[1]);
    Streams streams;
    streams.terminal_socket = theirs.get();
    TRY(container_->create(streams));
    theirs.reset();
    terminal_ = TRY(receive_terminal(ours));
    if (::fcntl(terminal_.get(), F_SETFL, O_NONBLOCK) == -1)
        return Error::from_errno(errno, "fcntl(2)");
    if (takes_input_) {
        UniqueFd input(::fcntl(terminal_.get(), F_DUPFD_CLOEXEC, 0));
        if (!input) return Error::from_errno(errno, "fcntl(2)");
        attached_->set_input(std::move(input), true);
    }
    TRY(keep_open(terminal_));
    return loop_.watch(terminal_.get(), EPOLLIN, [this](std::uint32_t) { on_terminal(); });
}

LogFile::Rotation Guard::rotation() {
    return {.before = [this] { end_compressor(); },
            .after = [this](const std::string& path) { start_compressor(path); }};
}

/// One that is not done yet would give the wrong file its name: what it has is left as it is.
void Guard::end_compressor() {
    if (compressor_ == 0) return;
    loop_.forget(compressor_fd_.get());
    (void)sys::pidfd_send_signal(compressor_fd_, SIGKILL);
    sys::retry_on_eintr([&] { return ::waitpid(compressor_, nullptr, 0); });
    compressor_fd_.reset();
    compressor_ = 0;
}

void Guard::start_compressor(const std::string& path) {
    const Result<pid_t> started = spawn_compressor(path);
    Result<UniqueFd> process = started ? sys::pidfd_open(*started) : started.error();
    if (!process) return log::error("runtime", "{}", process.error().to_string());
    compressor_ = *started;
    compressor_fd_ = *std::move(process);
    const Result<void> watched =
        loop_.watch(compressor_fd_.get(), EPOLLIN, [this](std::uint32_t) { end_compressor(); });
    if (!watched) end_compressor();
}

void Guard::on_terminal() {
    char buffer[65536];
    const ssize_t got = ::read(terminal_.get(), buffer, sizeof buffer);
    if (got > 0)
        take(LogFile::Stream::Stdout, std::string_view(buffer, static_cast<std::size_t>(got)));
    else if (got == 0 || errno == EIO)
        loop_.forget(terminal_.get());  // nobody has its other end any more
    if (output_waits_ || !attached_->full()) return;
    output_waits_ = true;
    loop_.forget(terminal_.get());
}

void Guard::on_output(LogFile::Stream stream) {
    const UniqueFd& fifo = stream == LogFile::Stream::Stdout ? out_ : err_;
    char buffer[65536];
    const ssize_t got = ::read(fifo.get(), buffer, sizeof buffer);
    if (got <= 0) return;
    take(stream, std::string_view(buffer, static_cast<std::size_t>(got)));
    if (output_waits_ || !attached_->full()) return;
    output_waits_ = true;
    loop_.forget(out_.get());
    loop_.forget(err_.get());
}

void Guard::take(LogFile::Stream stream, std::string_view bytes) {
    const auto now = std::chrono::system_clock::now();
    if (log_) log_->append(stream, bytes, now);
    if (forward_) forward_->append(stream, bytes, now);
    attached_->send(stream == LogFile::Stream::Stdout ? AttachPacket::Output : AttachPacket::Error,
                    bytes);
}

/// Everything that the program wrote before it ended. Its writers are gone; should somebody from
/// outside write to the FIFO, this ends all the same.
void Guard::drain() {
    constexpr int kMostReads = 1024;
    char buffer[65536];
    for (int reads = 0; terminal_ && reads < kMostReads; ++reads) {
        const ssize_t got = ::read(terminal_.get(), buffer, sizeof buffer);
        if (got <= 0) break;
        take(LogFile::Stream::Stdout, std::string_view(buffer, static_cast<std::size_t>(got)));
    }
    if (terminal_) {
        loop_.forget(terminal_.get());
        terminal_.reset();
    }
    for (const LogFile::Stream stream : {LogFile::Stream::Stdout, LogFile::Stream::Stderr}) {
        const UniqueFd& fifo = stream == LogFile::Stream::Stdout ? out_ : err_;
        for (int reads = 0; reads < kMostReads; ++reads) {
            const ssize_t got = ::read(fifo.get(), buffer, sizeof buffer);
            if (got <= 0) break;
            take(stream, std::string_view(buffer, static_cast<std::size_t>(got)));
        }
    }
    if (log_) log_->flush(std::chrono::system_clock::now());
    if (forward_) forward_->flush(std::chrono::system_clock::now());
    end_keeper(state_.keeper);
    state_.keeper = {};
}

}  // namespace davit::runtime
