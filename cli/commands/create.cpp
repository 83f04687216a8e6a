#include "cli/commands/commands.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, CreateFlags& flags) {
    command.add_flag("--force-recreate", flags.force_recreate, "Recreate what has not changed too");
    command.add_flag("--remove-orphans", flags.remove_orphans,
                     "Remove containers of services that the file doesn't have");
    command.add_flag("--build", flags.build, "Build images first");
    command.add_flag("--no-build", flags.no_build, "Build no image, also where one is missing")
        ->excludes("--build");
    command.add_option("--pull", flags.pull, "always, missing, never or build");
    command.add_flag("--quiet-pull", flags.quiet_pull, "Print no progress of pulls");
    command.add_flag("--no-recreate", flags.no_recreate, "Leave what is there as it is");
    command.add_option("--scale", flags.scale, "SERVICE=NUMBER of containers; may be repeated")
        ->allow_extra_args(false);
    command.add_flag("--quiet-build", flags.quiet_build, "Don't show what builds say");
    command.add_flag("-y,--yes", flags.yes, "Accepted: nothing is asked");
    command.add_option("SERVICE", flags.services, "Only these services and what they depend on");
}

Result<int> run(const Context& context, const CreateFlags& flags) {
    UpFlags up;
    up.force_recreate = flags.force_recreate;
    up.remove_orphans = flags.remove_orphans;
    up.no_recreate = flags.no_recreate;
    up.build = flags.build;
    up.no_build = flags.no_build;
    up.pull = flags.pull;
    up.quiet_pull = flags.quiet_pull;
    up.scale = flags.scale;
    up.quiet_build = flags.quiet_build;
    up.services = flags.services;
    up.no_start = true;
    return run(context, up);
}

}  // namespace davit::cli
