#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <string_view>
#include <termios.h>

namespace davit::runtime {

/// The caller's terminal in raw mode; as it was before, when this ends. Nothing where standard
/// input is none.
class RawTerminal {
public:
    RawTerminal();
    ~RawTerminal();
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

private:
    termios before_{};
    bool changed_ = false;
};

/// Sends `bytes` as one message, and `descriptor` with it. False with errno. Allocates nothing, so
/// that a child may use it before execve(2). @source unix(7), SCM_RIGHTS
bool send_with_descriptor(int socket, std::string_view bytes, int descriptor);

/// Takes the descriptor that a child sends. @errors Internal where it ended without
Result<UniqueFd> receive_terminal(const UniqueFd& socket);

/// Gives `terminal` the size of the caller's.
void copy_terminal_size(const UniqueFd& terminal);

}  // namespace davit::runtime
