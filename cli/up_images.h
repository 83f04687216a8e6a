#pragma once

#include "cli/commands/commands.h"
#include "cli/intents.h"
#include "cli/pull_images.h"
#include "cli/target.h"

#include <set>
#include <string>
#include <vector>

/// The images that `up` sees to before it changes anything else.
namespace davit::cli {

/// The services that were asked for, with all that they depend on; all where none was named.
std::set<std::string> selected_services(const compose::Project& project, const UpFlags& flags);

/// Those of them whose images come from registries, as the policies say.
Result<std::vector<WantedImage>> images_before_up(const Target& target, const UpFlags& flags);

/// Builds and pulls them, until Ctrl-C. @errors the first failure, at its place in the file
Result<void> bring_images(const Context& context, const Target& target, const UpFlags& flags,
                          bool quiet_build);

/// The same for --dry-run and `plan`: what would be built and pulled.
struct ImagePreview {
    std::vector<Intent> intents = {};
    std::set<std::string> to_bring = {};  ///< Names of the images that would be pulled.
};
Result<ImagePreview> preview_images(const Target& target, const UpFlags& flags);

}  // namespace davit::cli
