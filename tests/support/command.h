#pragma once

#include <memory>
#include <string>
#include <vector>

namespace davit::testing {

/// How a program ended, and what it printed.
struct Outcome {
    int status = -1;  ///< Exit status, or 128 + signal.
    std::string out = {};
    std::string err = {};
};

struct Command {
    std::vector<std::string> argv = {};         ///< The first is looked up along PATH.
    std::string folder = {};                    ///< Working folder; empty: this one.
    std::vector<std::string> environment = {};  ///< "NAME=value", over this process's own.
};

/// Runs a program to its end. Its standard input is empty.
Outcome run(const Command& command);

/// A program that runs beside the test; killed and collected at the end of the scope.
class Background {
public:
    /// Its output goes to `output_file`.
    Background(const Command& command, const std::string& output_file);
    ~Background();
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;

    int pid() const;
    void signal(int number);
    /// Waits for its end; returns the status as in Outcome.
    int wait();

private:
    struct Process;
    std::unique_ptr<Process> process_;
};

}  // namespace davit::testing
