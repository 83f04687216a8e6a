#pragma once

#include "base/result.h"
#include "network/ruleset.h"
#include "stack/records.h"

#include <cstdint>
#include <mutex>
#include <vector>

namespace davit::stack {

/// Brings the rule set of this host in step with the claims in the run root. Several threads may
/// ask at once: they share one load, since every load covers all claims written before it.
class RuleUpdater {
public:
    explicit RuleUpdater(Paths paths) : paths_(std::move(paths)) {}

    /// Returns when a rule set that covers every claim written before this call is loaded.
    Result<void> update();

    /// Guards ports whose claims are written, without loading everything anew where the table is
    /// there. See network/port_guard.h.
    Result<void> guard(const std::vector<network::GuardedPort>& ports);

private:
    Paths paths_;
    std::mutex counting_;
    std::mutex loading_;
    std::uint64_t asked_ = 0;
    std::uint64_t loaded_ = 0;
};

}  // namespace davit::stack
