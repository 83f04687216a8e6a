#pragma once

#include "base/result.h"
#include "builder/ignore.h"
#include "compose/watch.h"

#include <optional>
#include <string>
#include <vector>

namespace davit::cli {

/// One rule with its patterns, ready to judge paths.
class WatchMatch {
public:
    /// @errors InvalidInput for a pattern that can't be read
    static Result<WatchMatch> create(compose::WatchRule rule);

    const compose::WatchRule& rule() const { return rule_; }

    /// Where in the container a path of the host belongs, by this rule: its target for what is at
    /// `path` itself. Nothing where the rule isn't about it, or leaves it out.
    std::optional<std::string> place_of(const std::string& path) const;

private:
    compose::WatchRule rule_ = {};
    builder::IgnoreFile ignore_ = {};
    builder::IgnoreFile include_ = {};
    builder::IgnoreFile context_ = {};  ///< .dockerignore
};

/// The rules of the services `names`, as compose::find_watch_rules finds them.
/// @errors NotFound where there are none: watching would mean waiting for nothing
Result<std::vector<compose::WatchRule>> watch_rules(const compose::LoadedProject& loaded,
                                                    const std::vector<std::string>& names);

}  // namespace davit::cli
