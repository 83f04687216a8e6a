#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "cli/interrupts.h"

#include <string>
#include <vector>

namespace davit::cli {

/// One descriptor that becomes readable when something happens to a container, when the user
/// presses Ctrl-C, or when another thread calls `wake`. Guards write state.json by rename, so the
/// folders are watched (inotify).
class ContainerWatch {
public:
    /// Watches the run folders of containers; one that is gone already is fine. `more`: descriptors
    /// that also are something to look at, which the caller drains.
    static Result<ContainerWatch> create(const Interrupts& interrupts,
                                         const std::vector<std::string>& run_dirs,
                                         const std::vector<int>& more = {});

    int fd() const { return epoll_.get(); }
    /// Takes what was reported; `fd` is quiet until something new happens.
    void drain() const;
    /// Makes `fd` readable. From any thread.
    void wake() const;

private:
    ContainerWatch() = default;
    UniqueFd epoll_ = {};
    UniqueFd inotify_ = {};
    UniqueFd event_ = {};
    const Interrupts* interrupts_ = nullptr;
};

}  // namespace davit::cli
