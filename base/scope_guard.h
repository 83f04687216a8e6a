#pragma once

#include <utility>

namespace davit {

/// Undoes a half-done step: runs `undo` when it goes out of scope, unless `commit` was called.
template <typename Undo>
class [[nodiscard]] ScopeGuard {
public:
    explicit ScopeGuard(Undo undo) : undo_(std::move(undo)) {}
    ScopeGuard(const ScopeGuard&) = delete;
    ScopeGuard& operator=(const ScopeGuard&) = delete;
    ~ScopeGuard() {
        if (active_) undo_();
    }

    /// The step is done: nothing is to be undone.
    void commit() noexcept { active_ = false; }

private:
    Undo undo_;
    bool active_ = true;
};

}  // namespace davit
