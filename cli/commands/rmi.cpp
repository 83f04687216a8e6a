#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/render.h"
#include "cli/target.h"
#include "image/store.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, RmiFlags& flags) {
    command.add_flag("-f,--force", flags.force, "Also an image that has other names");
    command.add_option("IMAGE", flags.images, "Names or ids")->required();
}

Result<int> run(const Context& context, const RmiFlags& flags) {
    const std::string data_root = TRY(image_data_root(context));
    image::Store store = TRY(image::Store::open(data_root));
    stack::Paths paths;
    paths.data_root = data_root;
    std::set<std::string> in_use;
    for (const std::string& project : TRY(stack::list_projects(paths)))
        for (const auto& [name, record] : TRY(stack::read_containers(paths, project)))
            if (!record.image_id.empty()) in_use.insert(record.image_id);
    int status = kOk;
    for (const std::string& text : flags.images) {
        const auto removed = store.remove(text, in_use, flags.force);
        if (!removed) {
            to_stderr(render(removed.error(), context.terminal.err_colour));
            status = kFailed;
            continue;
        }
        for (const std::string& name : removed->untagged)
            to_stdout(fmt::format("Untagged: {}\n", harmless(name)));
        for (const std::string& id : removed->deleted)
            to_stdout(fmt::format("Deleted: {}\n", harmless(id)));
    }
    return status;
}

}  // namespace davit::cli
