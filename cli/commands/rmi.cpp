#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/images_in_use.h"
#include "cli/intents.h"
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
    if (context.globals.dry_run && !TRY(image::Store::open_existing(data_root)))
        return Error(ErrorKind::NotFound, "there is no image here");
    image::Store store = TRY(image::Store::open(data_root));
    const std::set<std::string> in_use = TRY(images_in_use(data_root));
    int status = kOk;
    for (const std::string& text : flags.images) {
        const auto removed = context.globals.dry_run
                                 ? store.preview_remove(text, in_use, flags.force)
                                 : remove_image(store, text, flags.force);
        if (!removed) {
            to_stderr(render(removed.error(), context.terminal.err_colour));
            status = kFailed;
            continue;
        }
        if (context.globals.dry_run) {
            to_stdout(intents_text(intents_of({'-', "untag", "image"}, removed->untagged)) +
                      intents_text(intents_of({'-', "remove", "image"}, removed->deleted)));
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
