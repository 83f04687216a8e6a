#pragma once

#include "base/unique_fd.h"
#include "runtime/event_loop.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace davit::runtime {

/// A packet between a guard and an attached client: one letter, then bytes.
enum class AttachPacket : char {
    Output = 'o',  ///< To the client: what the program wrote to its standard output.
    Error = 'e',   ///< To the client: to its standard error.
    Ended = 'x',   ///< To the client: the run has ended; its exit status as decimal digits.
    Input = 'i',   ///< From the client: for the program's standard input.
    Closed = 'c',  ///< From the client: there is no more input.
    Resize = 'r',  ///< From the client: "ROWS COLUMNS" of its terminal.
};

/// The most bytes in one packet behind its letter.
inline constexpr std::size_t kAttachBytes = 32768;

/// Clients that watch a container's output and write its input, on their control connections. What
/// a client doesn't read is kept for it up to a limit; then one that asked for all output makes the
/// container wait, and any other is let go.
class Attachments {
public:
    struct Callbacks {
        std::function<void(unsigned rows, unsigned columns)> resize;
        std::function<void(int fd)> gone;  ///< The connection is to be closed.
        std::function<void()> room;        ///< `full` holds no longer.
    };

    Attachments(EventLoop& loop, Callbacks callbacks);
    ~Attachments();
    Attachments(const Attachments&) = delete;
    Attachments& operator=(const Attachments&) = delete;

    /// Takes over the connection `fd`, which stays the caller's to close.
    Result<void> add(int fd, bool input, bool all_output);
    void remove(int fd);
    bool has(int fd) const { return clients_.contains(fd); }

    /// Where input goes: a non-blocking descriptor, or none. `keep_open`: a client's end of input
    /// is not the program's.
    void set_input(UniqueFd input, bool keep_open);
    void close_input();
    /// The descriptor that input goes to; -1: none.
    int input() const { return input_.get(); }
    /// Whether there is input that the program hasn't read yet.
    bool waits() const { return !pending_.empty(); }

    void send(AttachPacket kind, std::string_view bytes);
    /// Tells everybody that the run has ended, and lets each go when it has read everything.
    void end(int exit_code);
    /// Whether nobody is attached any more.
    bool empty() const { return clients_.empty(); }
    /// Whether the container has to wait with more output.
    bool full() const;

private:
    struct Client {
        bool input = false;
        bool all_output = false;
        bool leaves = false;  ///< Goes when its queue is empty.
        std::deque<std::string> queue = {};
        std::size_t queued = 0;
    };
    void on_event(int fd, std::uint32_t events);
    void on_packet(int fd, Client& client);
    void flush(int fd, Client& client);
    void watch(int fd, const Client& client);
    void let_go(int fd);
    void write_input();
    void end_input();

    EventLoop& loop_;
    Callbacks callbacks_;
    std::map<int, Client> clients_;
    UniqueFd input_;
    bool keep_open_ = false;
    bool input_ended_ = false;  ///< To be closed once everything is written.
    std::string pending_;       ///< Input that the program hasn't read.
};

}  // namespace davit::runtime
