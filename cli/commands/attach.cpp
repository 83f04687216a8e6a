#include "cli/commands/life.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/selection.h"
#include "runtime/attach_client.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, AttachFlags& flags) {
    command.add_option("--detach-keys", flags.detach_keys, "Keys that leave the container alone")
        ->type_name("KEYS");
    command.add_option("--index", flags.index, "Which container of the service")
        ->check(CLI::PositiveNumber);
    command.add_flag("--no-stdin", flags.no_stdin, "Leave standard input alone");
    command.add_option("--sig-proxy", flags.sig_proxy, "Pass signals on: true or false");
    command.add_option("SERVICE", flags.service, "Service, or container by name")->required();
}

Result<int> run(const Context& context, const AttachFlags& flags) {
    const TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    const stack::ContainerView view = TRY(one_container(*found.target, flags.service, flags.index));
    if (view.state.pid == 0)
        return Error(ErrorKind::NotFound,
                     fmt::format("container '{}' does not run", view.record.name))
            .help("start it with 'davit start'");
    if (context.globals.dry_run)
        return tell_intents({{'~', "attach", "container", view.record.name}});
    runtime::AttachOptions options;
    options.input = !flags.no_stdin;
    options.pass_signals = flags.sig_proxy;
    if (!flags.detach_keys.empty()) options.detach_keys = flags.detach_keys;
    runtime::Attachment attachment = TRY(runtime::Attachment::open(
        found.target->environment.paths.run_container(view.record.project, view.record.name),
        options));
    const runtime::Attachment::End end = TRY(attachment.run());
    if (end.lost)
        return Error(ErrorKind::System,
                     fmt::format("the guard of container '{}' is gone", view.record.name))
            .help("the container goes on; 'davit up -d' gives it a new guard");
    return end.detached ? kOk : end.exit_code;
}

}  // namespace davit::cli
