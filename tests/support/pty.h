#pragma once

#include "tests/support/command.h"

#include <string>
#include <sys/types.h>

namespace davit::testing {

/// A program on a terminal that the test types at; killed and collected at the end of the scope.
class OnTerminal {
public:
    /// The terminal has 24 rows of 80 columns.
    explicit OnTerminal(const Command& command);
    ~OnTerminal();
    OnTerminal(const OnTerminal&) = delete;
    OnTerminal& operator=(const OnTerminal&) = delete;

    void type(const std::string& bytes) const;
    void resize(unsigned short rows, unsigned short columns) const;
    /// Reads on until all that was printed has `text`, at most ten seconds. Returns whether it has.
    bool sees(const std::string& text);
    /// All that was printed so far.
    const std::string& screen() const { return screen_; }
    /// Waits for its end, at most ten seconds; the status as in Outcome, -1 where it goes on.
    int wait();

private:
    bool read_some(int patience_ms);

    int master_ = -1;
    pid_t pid_ = -1;
    bool ended_ = false;
    std::string screen_ = {};
};

}  // namespace davit::testing
