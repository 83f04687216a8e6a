#include "cli/commands/commands.h"
#include "cli/scale_words.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, ScaleFlags& flags) {
    command.add_flag("--no-deps", flags.no_deps, "Leave what the services depend on alone");
    command.add_option("SERVICE", flags.words, "How many containers of a service")
        ->option_text("SERVICE=REPLICAS")
        ->required();
}

Result<int> run(const Context& context, const ScaleFlags& flags) {
    UpFlags up;
    up.detach = true;
    up.no_deps = flags.no_deps;
    up.no_recreate = true;
    up.scale = flags.words;
    for (const auto& [service, count] : TRY(parse_scale(flags.words)))
        up.services.push_back(service);
    return run(context, up);
}

}  // namespace davit::cli
