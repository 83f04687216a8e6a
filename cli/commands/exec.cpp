#include "stack/exec.h"

#include "base/file.h"
#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/selection.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

namespace davit::cli {
namespace {

/// The `process` object as a file that only the next program can read.
Result<UniqueFd> in_memory(const Json& process) {
    UniqueFd file(::memfd_create("process", 0));  // survives execve(2) on purpose
    if (!file) return Error::from_errno(errno, "memfd_create(2)");
    TRY(write_all(file, process.dump(-1, ' ', false, Json::error_handler_t::replace)));
    return file;
}

}  // namespace

void declare(CLI::App& command, ExecFlags& flags) {
    command.add_flag("-d,--detach", flags.detach, "Return as soon as the command runs");
    command.add_option("-e,--env", flags.env, "Set a variable; may be repeated")
        ->allow_extra_args(false)
        ->type_name("NAME=VALUE");
    command.add_option("--index", flags.index, "Which container of the service")
        ->check(CLI::PositiveNumber);
    command.add_flag("-T,--no-tty,--no-TTY", flags.no_tty, "Without a terminal");
    command.add_flag("-t,--tty", flags.tty, "With a terminal, the default on one");
    command.add_flag("-i,--interactive", flags.interactive, "Keep standard input, the default");
    command.add_flag("--privileged", flags.privileged,
                     "All capabilities of the container's user namespace, and no filter");
    command.add_option("-u,--user", flags.user, "User, or user:group")->type_name("USER");
    command.add_option("-w,--workdir", flags.working_dir, "Working directory")->type_name("FOLDER");
    command.add_option("SERVICE", flags.service, "Service")->required();
    command.add_option("COMMAND", flags.command, "Program and arguments")->required();
}

Result<int> run(const Context& context, const ExecFlags& flags) {
    TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    Target& target = *found.target;
    const stack::ContainerView view = TRY(one_container(target, flags.service, flags.index));
    if (view.state.pid == 0)
        return Error(ErrorKind::NotFound,
                     fmt::format("container '{}' does not run", view.record.name))
            .help("start it with 'davit up -d'");
    // It would wait for somebody to let it go on.
    if (view.state.status == runtime::Status::Paused)
        return Error(ErrorKind::Busy, fmt::format("container '{}' is paused", view.record.name))
            .help(fmt::format("let it go on first: davit unpause {}", view.record.service));
    if (context.globals.dry_run)
        return tell_intents(
            {{'>', "run", "command", fmt::format("{}", fmt::join(flags.command, " ")),
              fmt::format("in container {}", view.record.name)}});
    const std::string runtime = TRY(find_runtime(context));
    const std::string bundle =
        target.environment.paths.container(view.record.project, view.record.name);
    const Json config = TRY(read_json(bundle + "/config.json"));
    stack::ExecRequest request;
    request.command = flags.command;
    for (const std::string& entry : flags.env)
        request.env.push_back(
            entry.find('=') != std::string::npos ? entry : entry + "=" + context.variable(entry));
    request.user = flags.user;
    request.working_dir = flags.working_dir;
    request.privileged = flags.privileged;
    request.terminal = !flags.no_tty && !flags.detach && ::isatty(STDIN_FILENO) == 1 &&
                       ::isatty(STDOUT_FILENO) == 1;
    const Json object = TRY(stack::exec_process(view.record, config, request));
    const UniqueFd process = TRY(in_memory(object));
    std::vector<std::string> words = {runtime,     "exec",
                                      "--bundle",  bundle,
                                      "--pid",     fmt::format("{}", view.state.pid),
                                      "--process", fmt::format("/proc/self/fd/{}", process.get())};
    if (request.terminal) words.emplace_back("--terminal");
    if (request.privileged) words.emplace_back("--privileged");
    if (flags.detach) words.emplace_back("--detach");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    // This process has nothing more to do: the runtime takes its place, streams and all.
    ::execv(runtime.c_str(), argv.data());
    return Error::from_errno(errno, "execve(2)").doing("run '{}'", runtime);
}

}  // namespace davit::cli
