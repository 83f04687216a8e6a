#include "base/file.h"
#include "cli/app.h"
#include "cli/completions.h"
#include "cli/exit_code.h"
#include "cli/intents.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, CompletionFlags& flags) {
    command.add_option("SHELL", flags.shell, "bash, zsh or fish")->required();
}

Result<int> run(const Context& /*context*/, const CompletionFlags& flags) {
    to_stdout(TRY(completion_script(catalog(), flags.shell)));
    return kOk;
}

void declare(CLI::App& command, ManualFlags& flags) {
    command.add_option("FOLDER", flags.folder, "Where the pages go")->required();
}

Result<int> run(const Context& context, const ManualFlags& flags) {
    if (context.globals.dry_run) return tell_intents({{'+', "write", "folder", flags.folder}});
    const std::string folder = join_path(context.working_dir, flags.folder);
    TRY(make_directories(folder, 0755));
    for (const ManualPage& page : manual_pages(catalog(), version_number()))
        TRY(write_in_place(folder + "/" + page.name, page.text, 0644));
    return kOk;
}

}  // namespace davit::cli
