#include "stack/reexec.h"

#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/stream.h"
#include "cli/target.h"
#include "stack/status.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace davit::cli {

void declare(CLI::App& /*command*/, ReexecFlags& /*flags*/) {}

Result<int> run(const Context& context, const ReexecFlags& /*flags*/) {
    const TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    const std::string program = TRY(find_runtime(context));
    if (context.globals.dry_run) {
        std::vector<Intent> intents;
        for (const stack::ContainerView& view :
             TRY(stack::list_all_containers(found.target->environment.paths)))
            if (view.supervised)
                intents.push_back({'~', "renew", "guard", view.record.name,
                                   fmt::format("to {}, where it is another one", program)});
        return tell_intents(intents);
    }
    const stack::Reexecuted done =
        TRY(stack::reexec_guards(found.target->environment.paths, program));
    to_stdout(fmt::format("{} renewed, {} up to date, {} left\n", done.renewed, done.current,
                          done.left.size()));
    for (const std::string& reason : done.left) to_stderr(reason + "\n");
    return done.left.empty() ? kOk : kFailed;
}

}  // namespace davit::cli
