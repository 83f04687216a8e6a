#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/target.h"
#include "image/store.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, TagFlags& flags) {
    command.add_option("SOURCE", flags.source, "Name or id of an image")->required();
    command.add_option("TARGET", flags.target, "Its new name")->required();
}

Result<int> run(const Context& context, const TagFlags& flags) {
    const std::string data_root = TRY(image_data_root(context));
    if (context.globals.dry_run)
        return tell_intents(
            {{'+', "name", "image", flags.target, fmt::format("as {}", flags.source)}});
    image::Store store = TRY(image::Store::open(data_root));
    TRY(store.tag(flags.source, flags.target));
    return kOk;
}

}  // namespace davit::cli
