#include "base/strings.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/interrupts.h"
#include "cli/pull_images.h"
#include "cli/registries.h"
#include "cli/render.h"
#include "cli/selection.h"
#include "cli/target.h"
#include "compose/build.h"
#include "image/reference.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace davit::cli {
namespace {

/// Whether the words are images and not services of the project here, as with `docker pull`.
bool means_images(const std::optional<Target>& target, const std::vector<std::string>& names) {
    if (names.empty()) return false;
    if (!target) return true;
    const std::vector<std::string>& services = target->loaded->service_names;
    return std::none_of(names.begin(), names.end(), [&](const std::string& name) {
        // A slip in the name of a service is no image.
        return std::find(services.begin(), services.end(), name) != services.end() ||
               (name.find_first_of("/:@.") == std::string::npos && nearest(name, services));
    });
}

int report(const Context& context, const std::vector<PullOutcome>& outcomes, bool ignore) {
    int status = kOk;
    for (const PullOutcome& outcome : outcomes) {
        if (outcome.result) continue;
        if (outcome.result.error().kind() == ErrorKind::Cancelled) return kInterrupted;
        to_stderr(render(outcome.result.error(), context.terminal.err_colour));
        if (!ignore) status = kFailed;
    }
    return status;
}

/// With --all-tags: every tag that the registry has in the repositories.
Result<std::vector<std::string>> every_tag(const Context& context,
                                           const std::vector<std::string>& names) {
    const image::RegistrySettings settings = TRY(registry_settings(context));
    std::vector<std::string> tagged;
    for (const std::string& name : names) {
        const image::Reference wanted = TRY(image::parse_reference(name));
        const std::string repository = wanted.domain + "/" + wanted.path;
        if (image::canonical(wanted) != repository + ":latest" || name.ends_with(":latest"))
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' has a tag, and --all-tags means all", printable(name)))
                .help("name the repository alone");
        const auto registry = TRY(image::Registry::open(settings, wanted.domain, wanted.path,
                                                        image::Registry::Use::Read));
        const std::vector<std::string> tags =
            TRY_DOING(registry->tags(wanted.path), "list the tags of '{}'", name);
        for (const std::string& tag : tags) tagged.push_back(repository + ":" + tag);
    }
    return tagged;
}

Result<int> pull_named(const Context& context, const PullFlags& flags) {
    const std::string data_root = TRY(image_data_root(context));
    std::vector<WantedImage> images;
    const std::vector<std::string> names =
        flags.all_tags ? TRY(every_tag(context, flags.names)) : flags.names;
    for (const std::string& name : names) {
        (void)TRY(image::parse_reference(name));
        images.push_back({name, flags.platform, {}});
    }
    if (context.globals.dry_run) return tell_intents(intents_to_pull(images));
    const std::vector<PullOutcome> outcomes =
        TRY(pull_images(context, data_root, images, flags.quiet));
    for (const PullOutcome& outcome : outcomes) {
        if (!outcome.result) continue;
        const image::Reference reference = TRY(image::parse_reference(outcome.wanted.image));
        const std::string short_name = image::familiar_repository(reference) +
                                       (reference.tag.empty() ? "" : ":" + reference.tag);
        if (!flags.quiet)
            to_stdout(fmt::format(
                "Digest: {}\nStatus: {} for {}\n", outcome.result->digest,
                outcome.result->changed ? "Downloaded newer image" : "Image is up to date",
                short_name));
        to_stdout(image::canonical(reference) + "\n");
    }
    return report(context, outcomes, flags.ignore_failures);
}

}  // namespace

void declare(CLI::App& command, PullFlags& flags) {
    command.add_flag("-q,--quiet", flags.quiet, "Print no progress");
    command.add_flag("-a,--all-tags", flags.all_tags, "Every tag of the repository NAME");
    command.add_flag("--include-deps", flags.include_deps, "Also services that these depend on");
    command.add_flag("--ignore-buildable", flags.ignore_buildable,
                     "Not the images that can be built");
    command.add_flag("--ignore-pull-failures", flags.ignore_failures, "Bring what can be brought");
    command.add_option("--policy", flags.policy, "missing or always (default)");
    command.add_option("--platform", flags.platform, "Of an image: os/architecture[/variant]");
    command.add_flag("--parallel,--no-parallel", flags.parallel, "Mean nothing")->group("");
    command.add_option("NAME", flags.names,
                       "Services of the project; or images, such as nginx:1.27");
}

Result<int> run(const Context& context, const PullFlags& flags) {
    const Interrupts interrupts = TRY(Interrupts::install(2));
    std::optional<Target> target;
    if (flags.names.empty() || compose::find_compose_file(load_options(context))) {
        TargetOrExit found = TRY(find_target(context, FileNeed::Required));
        if (!found.target) return found.exit_code;
        target = std::move(found.target);
    }
    if (flags.all_tags && flags.names.empty())
        return Error(ErrorKind::InvalidInput, "--all-tags needs the name of a repository")
            .help("write davit pull --all-tags REPOSITORY");
    if (flags.all_tags || means_images(target, flags.names)) return pull_named(context, flags);
    if (!flags.policy.empty() && flags.policy != "missing" && flags.policy != "always")
        return Error(ErrorKind::InvalidInput, fmt::format("--policy is '{}'", flags.policy))
            .help("use missing or always");
    TRY(check_services(*target, flags.names, {}));
    // A service that was named brings its profiles.
    if (!flags.names.empty()) {
        TargetOrExit found = TRY(find_target(context, FileNeed::Required, flags.names));
        if (!found.target) return found.exit_code;
        target = std::move(found.target);
    }
    const compose::Project& project = target->loaded->project;
    std::set<std::string> names(flags.names.begin(), flags.names.end());
    if (flags.names.empty())
        for (const auto& [name, service] : project.services) names.insert(name);
    if (flags.include_deps) names = with_dependencies(project, std::move(names));
    const std::string& data_root = target->environment.paths.data_root;
    // A pull that was asked for asks the registry, but for services that must not.
    std::set<std::string> asked;
    Diagnostics said_by_build;  // what is wrong with a 'build:' is for those who build
    const auto builds = compose::find_builds(*target->loaded, said_by_build);
    for (const std::string& name : names) {
        if (flags.ignore_buildable && builds.contains(name)) continue;
        const std::string& own = project.services.at(name).pull_policy;
        if (own != "never" && own != "build") asked.insert(name);
    }
    const std::vector<WantedImage> images = TRY(
        images_to_pull(project, asked, data_root, flags.policy.empty() ? "always" : flags.policy));
    if (context.globals.dry_run) return tell_intents(intents_to_pull(images));
    const std::vector<PullOutcome> outcomes =
        TRY(pull_images(context, data_root, images, flags.quiet));
    return report(context, outcomes, flags.ignore_failures);
}

}  // namespace davit::cli
