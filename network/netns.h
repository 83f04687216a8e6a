#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

namespace davit::network {

/// Puts the calling thread into another network namespace for the length of a scope. Going back
/// must succeed: a thread in the wrong namespace is worse than a crash.
class NetnsScope {
public:
    /// @errors PermissionDenied, System
    static Result<NetnsScope> enter(const UniqueFd& netns);

    NetnsScope(NetnsScope&&) noexcept = default;
    NetnsScope& operator=(NetnsScope&&) = delete;
    NetnsScope(const NetnsScope&) = delete;
    NetnsScope& operator=(const NetnsScope&) = delete;
    ~NetnsScope();

private:
    explicit NetnsScope(UniqueFd home) : home_(std::move(home)) {}
    UniqueFd home_;  ///< Closed after a move.
};

}  // namespace davit::network
