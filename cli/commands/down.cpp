#include "base/strings.h"
#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/images_in_use.h"
#include "cli/interrupts.h"
#include "cli/plan_text.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/target.h"
#include "compose/build.h"
#include "image/store.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace davit::cli {
namespace {

using Names = std::set<std::string>;

bool is_chosen(const DownFlags& flags, const std::string& service) {
    return flags.services.empty() ||
           std::find(flags.services.begin(), flags.services.end(), service) != flags.services.end();
}

/// The named volumes that belong to the project: those of its file, or, without one, those that it
/// once made. Where services are named, those that nobody else has.
Result<std::vector<std::string>> own_volumes(const Target& target, const DownFlags& flags) {
    Names names;
    if (target.loaded) {
        for (const auto& [key, volume] : target.loaded->project.volumes)
            if (!volume.external) names.insert(volume.name);
    } else {
        for (const auto& [name, record] : TRY(stack::read_volumes(target.environment.paths)))
            if (record.project == target.project) names.insert(name);
    }
    if (flags.services.empty()) return std::vector<std::string>(names.begin(), names.end());
    Names chosen;
    Names others;
    for (const stack::ContainerView& view :
         TRY(stack::list_containers(target.environment.paths, target.project)))
        for (const stack::MountRecord& mount : view.record.mounts)
            if (mount.type == "volume" && names.contains(mount.name))
                (is_chosen(flags, view.record.service) ? chosen : others).insert(mount.name);
    std::vector<std::string> own;
    std::set_difference(chosen.begin(), chosen.end(), others.begin(), others.end(),
                        std::back_inserter(own));
    return own;
}

/// The images of --rmi: of all services, or only those that were built and bear no name of the
/// user's. @source docker/compose pkg/compose/image_pruner.go
Result<Names> images_to_remove(const Target& target, const DownFlags& flags) {
    Names images;
    if (flags.images.empty()) return images;
    const auto add = [&](const std::string& service, const std::string& image, bool built) {
        const bool local = built && image == target.project + "-" + service;
        if (!image.empty() && is_chosen(flags, service) && (flags.images == "all" || local))
            images.insert(image);
    };
    for (const stack::ContainerView& view :
         TRY(stack::list_containers(target.environment.paths, target.project)))
        add(view.record.service, view.record.image, true);
    if (target.loaded)
        for (const auto& [name, service] : target.loaded->project.services)
            add(name, service.image, compose::is_built(*target.loaded, name));
    return images;
}

/// One that others use stays, and that is no failure of `down`.
Result<void> remove_images(const Context& context, const Target& target, const Names& images,
                           Progress::Style style) {
    if (images.empty()) return {};
    const std::string& data_root = target.environment.paths.data_root;
    std::optional<image::Store> store = TRY(image::Store::open_existing(data_root));
    if (!store) return {};
    const bool colour = context.terminal.err_colour;
    for (const std::string& image : images) {
        const auto removed = remove_image(*store, image, false);
        if (removed) {
            if (style != Progress::Style::Quiet)
                to_stderr(fmt::format(" Image {}  Removed\n", harmless(image)));
        } else if (removed.error().kind() == ErrorKind::Busy) {
            to_stderr(render_warning(removed.error().to_string(), colour));
        } else if (removed.error().kind() != ErrorKind::NotFound) {
            return removed.error();
        }
    }
    return {};
}

Result<stack::DownRequest> request_of(const Target& target, const DownFlags& flags) {
    stack::DownRequest request;
    request.project = target.project;
    request.volumes = flags.volumes;
    request.services = {flags.services.begin(), flags.services.end()};
    if (flags.volumes) request.own_volumes = TRY(own_volumes(target, flags));
    if (flags.timeout_s) request.stop_timeout = std::chrono::seconds(*flags.timeout_s);
    return request;
}

Result<int> preview(const Context& context, const Target& target, const DownFlags& flags) {
    const stack::DownRequest request = TRY(request_of(target, flags));
    to_stdout(plan_text(TRY(stack::preview_down(target.environment, request)), target.project,
                        context.terminal.out_colour));
    for (const std::string& image : TRY(images_to_remove(target, flags)))
        to_stdout(
            fmt::format("  - remove   image       {}   asked for by --rmi\n", harmless(image)));
    return kOk;
}

}  // namespace

void declare(CLI::App& command, DownFlags& flags) {
    command.add_flag("-v,--volumes", flags.volumes, "Also remove the named volumes of the file");
    command.add_flag("--remove-orphans", flags.remove_orphans, "Accepted; orphans always go");
    command.add_option(
        "--rmi", flags.images,
        "Also remove images: all, or local for those that were built without a name");
    command.add_option("-t,--timeout", flags.timeout_s, "Seconds to wait for a container to stop")
        ->check(CLI::NonNegativeNumber);
    command.add_option("SERVICE", flags.services, "Only the containers of these services");
}

Result<int> run(const Context& context, const DownFlags& flags) {
    const Progress::Style style = TRY(progress_style(context));
    if (!flags.images.empty() && flags.images != "all" && flags.images != "local")
        return Error(ErrorKind::InvalidInput,
                     fmt::format("invalid value for --rmi: '{}'", printable(flags.images)))
            .help("use all or local");
    TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    Target& target = *found.target;
    if (target.project.empty()) {
        to_stderr(render(Error(ErrorKind::NotFound, "no compose file and no project here")
                             .help("go to its folder, or name a project with -p"),
                         context.terminal.err_colour));
        return kNoFile;
    }
    const std::vector<stack::ContainerView> views =
        TRY(stack::list_containers(target.environment.paths, target.project));
    TRY(check_services(target, flags.services, views));
    if (context.globals.dry_run) return preview(context, target, flags);
    target.environment.runtime_program = TRY(find_runtime(context));
    const stack::DownRequest request = TRY(request_of(target, flags));
    const Names images = TRY(images_to_remove(target, flags));
    const bool colour = context.terminal.err_colour;
    Progress progress(style, colour);
    bool found_any = false;
    stack::ExecuteOptions options;
    options.parallel = context.globals.parallel;
    const auto failed =
        TRY(stack::down(target.environment, request, options, progress.listener(), found_any));
    progress.finish();
    if (!found_any && images.empty())
        to_stderr(render_warning(
            fmt::format("no resource found to remove for project '{}'", target.project), colour));
    for (const stack::FailedStep& step : failed) to_stderr(render(step, colour));
    if (!failed.empty()) return kFailed;
    TRY(remove_images(context, target, images, style));
    return kOk;
}

}  // namespace davit::cli
