#include "image/push.h"

#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/interrupts.h"
#include "cli/registries.h"
#include "cli/render.h"
#include "cli/target.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace davit::cli {
namespace {

/// The images that `names` mean: those of services where a file is here, else themselves.
Result<std::vector<std::string>> images_of(const Context& context,
                                           const std::vector<std::string>& names) {
    if (!names.empty() && !compose::find_compose_file(load_options(context))) return names;
    const TargetOrExit found = TRY(find_target(context, FileNeed::Required, {}));
    if (!found.target) return std::vector<std::string>();
    const compose::Project& project = found.target->loaded->project;
    std::vector<std::string> images;
    for (const std::string& name : names) {
        const auto service = project.services.find(name);
        images.push_back(service == project.services.end() ? name : service->second.image);
    }
    if (names.empty())
        for (const auto& [name, service] : project.services) images.push_back(service.image);
    std::sort(images.begin(), images.end());
    images.erase(std::unique(images.begin(), images.end()), images.end());
    std::erase(images, "");
    return images;
}

}  // namespace

void declare(CLI::App& command, PushFlags& flags) {
    command.add_flag("-q,--quiet", flags.quiet, "Print no progress");
    command.add_flag("--ignore-push-failures", flags.ignore_failures, "Push what can be pushed");
    command.add_option("NAME", flags.names, "Images; or services of the project");
}

Result<int> run(const Context& context, const PushFlags& flags) {
    const Interrupts interrupts = TRY(Interrupts::install(2));
    const std::vector<std::string> images = TRY(images_of(context, flags.names));
    const std::string data_root = TRY(image_data_root(context));
    const image::Store store = TRY(image::Store::open(data_root));
    const image::RegistrySettings settings = TRY(registry_settings(context));
    int status = images.empty() ? kNoFile : kOk;
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
