#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <string>
#include <vector>

namespace davit::builder {

/// The file system that layers make together, as an open folder. Nobody else sees the mount, and it
/// goes with the last descriptor beneath it.
class MergedRoot {
public:
    /// `layers`: folders, top first; may be none. `scratch`: a folder of the caller's; with
    /// `writable`, changes go to `scratch`/upper.
    static Result<MergedRoot> open(const std::vector<std::string>& layers,
                                   const std::string& scratch, bool writable);

    const UniqueFd& root() const { return root_; }
    /// Where changes are.
    const std::string& upper() const { return upper_; }

private:
    MergedRoot(UniqueFd root, std::string upper)
        : root_(std::move(root)), upper_(std::move(upper)) {}
    UniqueFd root_;
    std::string upper_;
};

}  // namespace davit::builder
