#include "image/push.h"

#include "base/strings.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/interrupts.h"
#include "cli/registries.h"
#include "cli/render.h"
#include "cli/selection.h"
#include "cli/target.h"
#include "compose/build.h"
#include "image/reference.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>

namespace davit::cli {
namespace {

/// What a service of the project pushes: its image and its tags, where it is built.
/// @source docker compose pkg/compose/push.go
Result<void> add_service(const compose::Project& project, const compose::Service& service,
                         const std::map<std::string, compose::Build>& builds,
                         std::vector<std::string>& images) {
    const auto build = builds.find(service.name);
    if (build == builds.end()) {
        to_stderr(fmt::format("{} Skipped: it has no 'build'\n", service.name));
        return {};
    }
    // Without a name of its own it has one that no registry knows.
    if (service.image.empty() || service.image == project.name + "-" + service.name)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("service '{}' has no 'image'", service.name))
            .help("name it: 'image' says which registry it goes to");
    images.push_back(service.image);
    images.insert(images.end(), build->second.tags.begin(), build->second.tags.end());
    return {};
}

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
    Diagnostics said_by_build;  // what is wrong with a 'build:' is for those who build
    const auto builds = compose::find_builds(*found.target->loaded, said_by_build);
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
    for (const std::string& name : services)
        TRY(add_service(project, project.services.at(name), builds, images));
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
    const image::Store store = TRY(image::Store::open(data_root));
    if (flags.all_tags && flags.names.empty())
        return Error(ErrorKind::InvalidInput, "--all-tags needs the name of a repository")
            .help("write davit push --all-tags REPOSITORY");
    bool found_project = true;
    const std::vector<std::string> images = TRY(
        flags.all_tags ? all_tags(store, flags.names) : images_of(context, flags, found_project));
    const image::RegistrySettings settings = TRY(registry_settings(context));
    int status = found_project ? kOk : kNoFile;
    for (const std::string& name : images) {
        const image::Reference reference = TRY(image::parse_reference(name));
        if (!flags.quiet)
            to_stdout(fmt::format("The push refers to repository [{}/{}]\n", reference.domain,
                                  reference.path));
        const auto pushed = image::push(
            store, settings, name, [&](const std::string& layer, const std::string& word) {
                if (!flags.quiet) to_stdout(fmt::format("{}: {}\n", layer, harmless(word)));
            });
        if (!pushed) {
            if (pushed.error().kind() == ErrorKind::Cancelled) return pushed.error();
            to_stderr(render(pushed.error(), context.terminal.err_colour));
            if (!flags.ignore_failures) status = kFailed;
            continue;
        }
        if (flags.quiet)
            to_stdout(image::canonical(reference) + "\n");
        else
            to_stdout(fmt::format("{}: digest: {} size: {}\n", reference.tag, pushed->digest,
                                  pushed->size));
    }
    return status;
}

}  // namespace davit::cli
