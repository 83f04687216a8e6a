#include "stack/rules.h"

#include "base/failpoint.h"
#include "network/port_guard.h"
#include "stack/claims.h"

namespace davit::stack {

Result<void> RuleUpdater::update() {
    std::uint64_t mine = 0;
    {
        const std::lock_guard counting(counting_);
        mine = ++asked_;
    }
    const std::lock_guard loading(loading_);
    std::uint64_t covered = 0;
    {
        const std::lock_guard counting(counting_);
        if (loaded_ >= mine) return {};
        covered = asked_;
    }
    // Other davits change other projects' claims: read and load under the host's lock.
    const FileLock lock = TRY(lock_host(paths_));
    const network::Ruleset rules = TRY(gather_rules(paths_));
    FAILPOINT("rules.load");
    TRY_DOING(network::apply(rules), "load the packet rules");
    const std::lock_guard counting(counting_);
    loaded_ = covered;
    return {};
}

Result<void> RuleUpdater::guard(const std::vector<network::GuardedPort>& ports) {
    {
        // A load that began before the claims were written must not end after this.
        const FileLock lock = TRY(lock_host(paths_));
        if (network::guard_ports(ports)) return {};
    }
    return update();  // somebody has flushed the rules
}

}  // namespace davit::stack
