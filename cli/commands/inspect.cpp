#include "stack/inspect.h"

#include "base/strings.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/image_view.h"
#include "cli/inspect_text.h"
#include "cli/render.h"
#include "cli/target.h"
#include "image/store.h"
#include "image/store_files.h"

#include <CLI/CLI.hpp>

namespace davit::cli {
namespace {

Json json_of(const stack::Paths& paths, const stack::ContainerView& view) {
    const std::string bundle = paths.container(view.record.project, view.record.name);
    const Result<Json> config = read_json(bundle + "/config.json");
    return stack::inspect(paths, view, config ? *config : Json());
}

/// What a name means that is no container's: an image. @errors NotFound, System
Result<Json> image_of(const std::string& data_root, const std::string& name) {
    const image::Store store = TRY(image::Store::open(data_root));
    const image::Image image = TRY(store.find(name));
    return image_inspect(image, TRY(image::read_blob(data_root, image.id)));
}

}  // namespace

void declare(CLI::App& command, InspectFlags& flags) {
    command.add_option("-f,--format", flags.format, "A template such as '{{.State.Pid}}'");
    command.add_option("NAME", flags.names, "Containers, by name, id or service; images")
        ->required();
}

Result<int> run(const Context& context, const InspectFlags& flags) {
    const TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    const stack::Paths& paths = found.target->environment.paths;
    Json all = Json::array();
    int status = kOk;
    for (const std::string& name : flags.names) {
        const auto view = stack::find_container(paths, found.target->project, name);
        if (view) {
            all.push_back(json_of(paths, *view));
            continue;
        }
        if (Result<Json> image = image_of(paths.data_root, name)) {
            all.push_back(*std::move(image));
            continue;
        }
        const Error unknown =
            Error(ErrorKind::NotFound, fmt::format("no container or image '{}'", printable(name)))
                .help(
                    "'davit ps -a' and 'davit images' list them; others have 'davit volume "
                    "inspect' and 'davit network inspect'");
        to_stderr(render(unknown, context.terminal.err_colour));
        status = kFailed;
    }
    TRY(show_inspected(flags.format, all));
    return status;
}

}  // namespace davit::cli
