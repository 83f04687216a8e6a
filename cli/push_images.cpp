#include "cli/push_images.h"

#include "cli/exit_code.h"
#include "cli/registries.h"
#include "cli/render.h"
#include "compose/build.h"
#include "image/push.h"
#include "image/reference.h"
#include "image/store.h"

#include <algorithm>
#include <map>

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

}  // namespace

Result<int> push_images(const Context& context, const std::string& data_root,
                        const PushRequest& request) {
    const image::Store store = TRY(image::Store::open(data_root));
    const image::RegistrySettings settings = TRY(registry_settings(context));
    int status = kOk;
    for (const std::string& name : request.images) {
        const image::Reference reference = TRY(image::parse_reference(name));
        if (!request.quiet)
            to_stdout(fmt::format("The push refers to repository [{}/{}]\n", reference.domain,
                                  reference.path));
        const auto pushed = image::push(
            store, settings, name, [&](const std::string& layer, const std::string& word) {
                if (!request.quiet) to_stdout(fmt::format("{}: {}\n", layer, harmless(word)));
            });
        if (!pushed) {
            if (pushed.error().kind() == ErrorKind::Cancelled) return pushed.error();
            to_stderr(render(pushed.error(), context.terminal.err_colour));
            if (!request.ignore_failures) status = kFailed;
            continue;
        }
        if (request.quiet)
            to_stdout(image::canonical(reference) + "\n");
        else
            to_stdout(fmt::format("{}: digest: {} size: {}\n", reference.tag, pushed->digest,
                                  pushed->size));
    }
    return status;
}

Result<std::vector<std::string>> images_to_push(const Target& target,
                                                const std::set<std::string>& services) {
    const compose::Project& project = target.loaded->project;
    Diagnostics said_by_build;  // what is wrong with a 'build:' is for those who build
    const auto builds = compose::find_builds(*target.loaded, said_by_build);
    std::vector<std::string> images;
    for (const std::string& name : services)
        TRY(add_service(project, project.services.at(name), builds, images));
    return images;
}

}  // namespace davit::cli
