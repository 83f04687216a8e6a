#pragma once

#include "base/result.h"
#include "cli/context.h"
#include "cli/target.h"

#include <set>
#include <string>
#include <vector>

namespace davit::cli {

struct PushRequest {
    std::vector<std::string> images = {};  ///< Names.
    bool quiet = false;                    ///< Only the names of what was pushed.
    bool ignore_failures = false;
};

/// Gives images to their registries, one after the other, and shows it. What fails does not stop
/// the others. Returns the exit status. @errors Cancelled
Result<int> push_images(const Context& context, const std::string& data_root,
                        const PushRequest& request);

/// What services of the project push: their images and tags, where they are built.
/// @errors InvalidInput for one that is built and has no name that a registry could know
Result<std::vector<std::string>> images_to_push(const Target& target,
                                                const std::set<std::string>& services);

}  // namespace davit::cli
