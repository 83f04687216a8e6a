#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

namespace davit::cli {

/// Ctrl-C and SIGTERM as something to ask for, instead of the sudden end of the process. One at a
/// time; signals are the process's own and so is this.
///
/// A handler and not a blocked mask with a signalfd: a mask would be inherited by the guards that
/// davit starts, a handler ends at their execve.
class Interrupts {
public:
    /// From now on signals are counted; the `last`th one ends the process at once with status 130,
    /// so that nobody is locked in.
    static Result<Interrupts> install(int last);
    Interrupts(Interrupts&&) noexcept = default;
    Interrupts& operator=(Interrupts&&) noexcept = delete;
    ~Interrupts();

    /// How many came so far.
    static int count();
    /// Becomes readable with each one, until `drain`.
    int fd() const { return fd_.get(); }
    void drain() const;

private:
    explicit Interrupts(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

}  // namespace davit::cli
