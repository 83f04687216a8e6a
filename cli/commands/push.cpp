#include "base/strings.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/interrupts.h"
#include "cli/push_images.h"
#include "cli/selection.h"
#include "cli/target.h"
#include "image/reference.h"
#include "image/store.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>

namespace davit::cli {
namespace {

/// With --all-tags: every name that the store has in the repositories.
Result<std::vector<std::string>> all_tags(const image::Store& store,
                                          const std::vector<std::string>& names) {
    std::vector<std::string> tagged;
    for (const std::string& name : names) {
        const image::Reference wanted = TRY(image::parse_reference(name));
        if (image::canonical(wanted) != wanted.domain + "/" + wanted.path + ":latest" ||
            name.ends_with(":latest"))
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' has a tag, and --all-tags means all", printable(name)))
                .help("name the repository alone");
        const std::size_t before = tagged.size();
        for (const image::Image& image : TRY(store.list()))
            for (const image::Reference& known : image.names)
                if (known.domain == wanted.domain && known.path == wanted.path &&
                    !known.tag.empty())
                    tagged.push_back(image::canonical(known));
        if (tagged.size() == before)
            return Error(ErrorKind::NotFound,
                         fmt::format("no image here has a name in '{}'", printable(name)));
    }
    std::sort(tagged.begin(), tagged.end());
    return tagged;
}

/// The images that `names` mean: those of services where a file is here, else themselves.
Result<std::vector<std::string>> images_of(const Context& context, const PushFlags& flags,
                                           bool& found_project) {
    const std::vector<std::string>& names = flags.names;
    found_project = true;
    if (!names.empty() && !compose::find_compose_file(load_options(context))) return names;
    const TargetOrExit found = TRY(find_target(context, FileNeed::Required, {}));
    found_project = found.target.has_value();
    if (!found.target) return std::vector<std::string>();
    const compose::Project& project = found.target->loaded->project;
    std::vector<std::string> images;
    std::set<std::string> services;
    for (const std::string& name : names) {
        if (project.services.contains(name))
            services.insert(name);
        else
            images.push_back(name);
    }
    if (names.empty())
        for (const auto& [name, service] : project.services) services.insert(name);
    if (flags.include_deps) services = with_dependencies(project, std::move(services));
    for (std::string& image : TRY(images_to_push(*found.target, services)))
        images.push_back(std::move(image));
    std::sort(images.begin(), images.end());
    images.erase(std::unique(images.begin(), images.end()), images.end());
    return images;
}

}  // namespace

void declare(CLI::App& command, PushFlags& flags) {
    command.add_flag("-q,--quiet", flags.quiet, "Print no progress");
    command.add_flag("-a,--all-tags", flags.all_tags, "All names that the store has in NAME");
    command.add_flag("--include-deps", flags.include_deps,
                     "Also the images of services that these depend on");
    command.add_flag("--ignore-push-failures", flags.ignore_failures, "Push what can be pushed");
    command.add_option("NAME", flags.names, "Images; or services of the project");
}

Result<int> run(const Context& context, const PushFlags& flags) {
    const Interrupts interrupts = TRY(Interrupts::install(2));
    const std::string data_root = TRY(image_data_root(context));
    const std::optional<image::Store> store = TRY(image::Store::open_existing(data_root));
    if (!store)
        return Error(ErrorKind::NotFound, "there is no image here").help("build or pull it first");
    if (flags.all_tags && flags.names.empty())
        return Error(ErrorKind::InvalidInput, "--all-tags needs the name of a repository")
            .help("write davit push --all-tags REPOSITORY");
    bool found_project = true;
    const std::vector<std::string> images = TRY(
        flags.all_tags ? all_tags(*store, flags.names) : images_of(context, flags, found_project));
    if (context.globals.dry_run && found_project)
        return tell_intents(intents_of({'~', "push", "image"}, images));
    if (!found_project) return kNoFile;
    PushRequest request;
    request.images = images;
    request.quiet = flags.quiet;
    request.ignore_failures = flags.ignore_failures;
    return push_images(context, data_root, request);
}

}  // namespace davit::cli
