#include "cli/up_images.h"

#include "cli/build_view.h"
#include "cli/interrupts.h"
#include "cli/selection.h"
#include "compose/build.h"

namespace davit::cli {
namespace {

ServiceBuilds builds_of(const UpFlags& flags) {
    ServiceBuilds builds;
    builds.services = flags.services;
    builds.dependencies = !flags.no_deps;
    builds.only_missing = !flags.build;
    return builds;
}

}  // namespace

std::set<std::string> selected_services(const compose::Project& project, const UpFlags& flags) {
    std::set<std::string> names(flags.services.begin(), flags.services.end());
    if (names.empty())
        for (const auto& [name, service] : project.services) names.insert(name);
    return flags.no_deps ? names : with_dependencies(project, std::move(names));
}

Result<std::vector<WantedImage>> images_before_up(const Target& target, const UpFlags& flags) {
    std::set<std::string> services = selected_services(target.loaded->project, flags);
    // What is built has no registry that it must come from.
    std::erase_if(services, [&](const std::string& service) {
        return compose::is_built(*target.loaded, service);
    });
    return images_to_pull(target.loaded->project, services, target.environment.paths.data_root,
                          flags.pull);
}

Result<void> bring_images(const Context& context, const Target& target, const UpFlags& flags,
                          bool quiet_build) {
    if (!flags.no_build) {
        ServiceBuilds builds = builds_of(flags);
        builds.quiet = flags.quiet_build || quiet_build;
        TRY(build_services(context, target, builds));
        if (Interrupts::count() > 0) return {};
    }
    const std::vector<WantedImage> images = TRY(images_before_up(target, flags));
    const std::vector<PullOutcome> outcomes =
        TRY(pull_images(context, target.environment.paths.data_root, images, flags.quiet_pull));
    for (const PullOutcome& outcome : outcomes) {
        if (outcome.result) continue;
        Error error = outcome.result.error();
        return std::move(error).at(target.loaded->places.find(
            fmt::format("services.{}.image", outcome.wanted.services.front())));
    }
    return {};
}

Result<ImagePreview> preview_images(const Target& target, const UpFlags& flags) {
    ImagePreview preview;
    if (!flags.no_build) preview.intents = TRY(intents_to_build(target, builds_of(flags)));
    const std::vector<WantedImage> images = TRY(images_before_up(target, flags));
    for (const WantedImage& wanted : images) preview.to_bring.insert(wanted.image);
    for (Intent& intent : intents_to_pull(images)) preview.intents.push_back(std::move(intent));
    return preview;
}

}  // namespace davit::cli
