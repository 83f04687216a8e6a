#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/event_loop.h"

#include <memory>
#include <string>
#include <vector>

namespace davit::runtime {

/// What keeps networks apart also while the table `inet davit` is gone: a second table,
/// `inet davit_fence`, that belongs to a socket of one guard of the host. `nft flush ruleset`
/// leaves tables that have an owner alone (from Linux 5.12); the table ends with its owner, and
/// another guard makes it anew. It has no addresses and no ports, only the names of the bridges, as
/// the first table said them last.
class Fence {
public:
    /// Takes part in choosing the one that keeps it. `run_root` is the same for all guards.
    static std::unique_ptr<Fence> open(std::string run_root, EventLoop& loop);
    ~Fence();
    Fence(const Fence&) = delete;
    Fence& operator=(const Fence&) = delete;

    /// To be called when rules have changed, and the first table is there.
    void refresh();
    /// Whether this guard keeps it.
    bool kept() const { return has_turn_ && !given_up_; }

private:
    /// The sets of bridges, as bytes.
    struct Names {
        std::vector<std::string> bridges = {};
        std::vector<std::string> internal = {};
        std::vector<std::string> intra = {};
        bool operator==(const Names&) const = default;
    };

    Fence(std::string run_root, EventLoop& loop);
    bool is_ours();
    void await_owner(int pid);
    Result<void> build();
    static Result<Names> read_names(const UniqueFd& socket);

    std::string run_root_;
    EventLoop& loop_;
    UniqueFd turn_;  ///< The file whose lock says who keeps the fence.
    bool has_turn_ = false;
    UniqueFd owner_;   ///< The process that keeps it, where that is another one.
    UniqueFd socket_;  ///< Owns the table.
    Names names_;
    bool given_up_ = false;  ///< This kernel has no tables with an owner.
    bool has_warned_ = false;
};

}  // namespace davit::runtime
