#pragma once

#include "base/result.h"
#include "stack/status.h"

#include <string>
#include <vector>

namespace davit::cli {

/// `--filter` of `ps`: status, as docker compose has it, and name, id, label, ancestor, exited,
/// health, network and volume, as docker has them. Several of one key: one of them must hold;
/// several keys: all of them.
class ContainerFilter {
public:
    /// `statuses`: further words of `status`. @errors InvalidInput for a key or a status that is
    /// none
    static Result<ContainerFilter> parse(const std::vector<std::string>& filters,
                                         const std::vector<std::string>& statuses);

    bool takes(const stack::ContainerView& view) const;
    /// Whether containers that don't run are meant, too.
    bool any_status() const;

private:
    struct Term {
        std::string key = {};
        std::string value = {};
    };
    std::vector<Term> terms_ = {};
};

}  // namespace davit::cli
