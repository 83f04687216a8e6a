#pragma once

#include "base/result.h"
#include "cli/context.h"
#include "cli/intents.h"
#include "cli/pull_view.h"
#include "compose/project.h"
#include "image/store.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace davit::cli {

/// One image to be brought, and who wants it.
struct WantedImage {
    std::string image = {};
    std::string platform = {};
    std::vector<std::string> services = {};
};

struct PullOutcome {
    WantedImage wanted = {};
    Result<image::Pulled> result;
};

/// Brings all of them, a few at a time, and shows it. What fails does not stop the others.
Result<std::vector<PullOutcome>> pull_images(const Context& context, const std::string& data_root,
                                             const std::vector<WantedImage>& images, bool quiet);

/// What is said of them under --dry-run.
std::vector<Intent> intents_to_pull(const std::vector<WantedImage>& images);

/// Whether an image must be brought before a service can start, by its policy ("always", "missing",
/// "never", "build", "daily", "weekly", "every_12h"; empty: missing) and what the store has of it.
/// Pure. @errors InvalidInput for another word
Result<bool> must_pull(const std::string& policy, const std::optional<image::Image>& found,
                       std::int64_t now_s);

/// The images that services `names` of the project need brought now. `policy`: of --pull, over that
/// of the services; empty: theirs. @errors InvalidInput
Result<std::vector<WantedImage>> images_to_pull(const compose::Project& project,
                                                const std::set<std::string>& names,
                                                const std::string& data_root,
                                                const std::string& policy);

}  // namespace davit::cli
