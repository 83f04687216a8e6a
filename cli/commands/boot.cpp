#include "stack/boot.h"

#include "base/file.h"
#include "base/strings.h"
#include "cli/attached_up.h"
#include "cli/commands/life.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/interrupts.h"
#include "cli/progress.h"
#include "cli/render.h"

#include <CLI/CLI.hpp>
#include <set>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace davit::cli {
namespace {

/// Another root file system: of the flag, or, for tests, of the environment.
std::string unit_root(const Context& context, const std::string& flag) {
    const std::string given = flag.empty() ? context.variable("DAVIT_UNIT_ROOT") : flag;
    return given.empty() ? given : clean_path(join_path(context.working_dir, given));
}

/// The project that `word` names, or that of this folder.
Result<TargetOrExit> find_project(const Context& context, const std::string& word) {
    Context named = context;
    if (!word.empty()) named.globals.project_name = word;
    TargetOrExit found = TRY(find_target(named, FileNeed::Optional));
    if (found.target && found.target->project.empty())
        return Error(ErrorKind::NotFound, "no compose file and no project here")
            .help("go to its folder, or name a project: davit enable NAME");
    return found;
}

/// What must be mounted before the containers can start: sources of binds, and folders of services
/// with a data root of their own.
Result<std::vector<std::string>> mounts_of(const Target& target) {
    std::set<std::string> paths;
    for (const stack::ContainerView& view :
         TRY(stack::list_containers(target.environment.paths, target.project))) {
        for (const stack::MountRecord& mount : view.record.mounts)
            if (mount.type == "bind") paths.insert(mount.source);
        if (!view.record.state_dir.empty()) paths.insert(view.record.state_dir);
    }
    std::erase_if(paths, [&](const std::string& path) {
        return path.starts_with(target.environment.paths.data_root + "/");
    });
    return std::vector<std::string>(paths.begin(), paths.end());
}

/// Tells systemd, where it runs and is meant.
Result<void> systemctl(const std::string& root, std::vector<std::string> words) {
    if (!root.empty() || !exists("/run/systemd/system")) return {};
    const std::string shown = fmt::format("systemctl {}", fmt::join(words, " "));
    words.insert(words.begin(), "systemctl");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_t pid = 0;
    if (const int failed =
            ::posix_spawnp(&pid, "systemctl", nullptr, nullptr, argv.data(), environ);
        failed != 0)
        return Error::from_errno(failed, "posix_spawnp(3)").doing("run '{}'", shown);
    int status = 0;
    while (::waitpid(pid, &status, 0) == -1 && errno == EINTR) {
    }
    if (status == 0) return {};
    return Error(ErrorKind::System, fmt::format("'{}' failed", shown))
        .help("see 'systemctl status' and 'journalctl -u' for the unit");
}

}  // namespace

void declare(CLI::App& command, EnableFlags& flags) {
    command.add_option("--root", flags.root, "Write into another root file system")
        ->type_name("FOLDER");
    command.add_option("PROJECT", flags.project, "A project by its name; else that of this folder");
}

Result<int> run(const Context& context, const EnableFlags& flags) {
    const TargetOrExit found = TRY(find_project(context, flags.project));
    if (!found.target) return found.exit_code;
    const Target& target = *found.target;
    const stack::Paths& paths = target.environment.paths;
    const auto views = TRY(stack::list_containers(paths, target.project));
    if (views.empty())
        return Error(ErrorKind::NotFound,
                     fmt::format("project '{}' has no containers", target.project))
            .help("bring it up first with 'davit up -d'");
    const bool any = std::any_of(views.begin(), views.end(), [](const auto& view) {
        return stack::comes_back(view.record.restart, {});
    });
    if (!any)
        to_stderr(render_warning(
            fmt::format("no service of '{}' has a 'restart' policy: nothing will come back",
                        target.project),
            context.terminal.err_colour));
    if (context.globals.dry_run)
        return tell_intents({{'+', "enable", "unit", stack::unit_name(target.project)}});
    const std::string root = unit_root(context, flags.root);
    stack::BootUnit unit;
    unit.project = target.project;
    unit.data_root = paths.data_root;
    unit.mounts = TRY(mounts_of(target));
    unit.program = own_program();
    TRY(stack::enable_unit(root, unit));
    const std::string name = stack::unit_name(target.project);
    TRY(systemctl(root, {"daemon-reload"}));
    // Active from now on, so that it stops the containers well when the machine goes down.
    TRY(systemctl(root, {"start", name}));
    to_stderr(fmt::format(" Unit {}  Enabled\n", name));
    return kOk;
}

void declare(CLI::App& command, DisableFlags& flags) {
    command.add_option("--root", flags.root, "Write into another root file system")
        ->type_name("FOLDER");
    command.add_option("PROJECT", flags.project, "A project by its name; else that of this folder");
}

Result<int> run(const Context& context, const DisableFlags& flags) {
    const TargetOrExit found = TRY(find_project(context, flags.project));
    if (!found.target) return found.exit_code;
    const std::string root = unit_root(context, flags.root);
    const std::string name = stack::unit_name(found.target->project);
    if (context.globals.dry_run)
        return tell_intents(stack::is_enabled(root, found.target->project)
                                ? std::vector<Intent>{{'-', "disable", "unit", name}}
                                : std::vector<Intent>());
    if (!TRY(stack::disable_unit(root, found.target->project))) {
        to_stderr(
            render_warning(fmt::format("{} was not enabled", name), context.terminal.err_colour));
        return kOk;
    }
    TRY(systemctl(root, {"daemon-reload"}));
    to_stderr(fmt::format(" Unit {}  Disabled\n", name));
    return kOk;
}

void declare(CLI::App& command, BootFlags& flags) {
    command.add_option("ACTION", flags.action, "up, down, or template")->required();
    command.add_option("PROJECT", flags.project, "Name of the project, or the path of davit");
}

Result<int> run(const Context& context, const BootFlags& flags) {
    if (flags.action == "template") {
        to_stdout(stack::unit_template(flags.project));
        return kOk;
    }
    if (context.globals.dry_run)
        return Error(ErrorKind::Unsupported, "--dry-run is not for what a unit calls")
            .help("'davit start --dry-run' says what would be started");
    if (flags.action != "up" && flags.action != "down")
        return Error(ErrorKind::InvalidInput,
                     fmt::format("unknown action '{}'", printable(flags.action)))
            .help("use up, down or template");
    TargetOrExit found = TRY(find_project(context, flags.project));
    if (!found.target) return found.exit_code;
    Target& target = *found.target;
    target.environment.runtime_program = TRY(find_runtime(context));
    const Interrupts interrupts = TRY(Interrupts::install(2));
    Progress progress(TRY(progress_style(context)), context.terminal.err_colour);
    stack::LifeRequest request;
    request.project = target.project;
    request.on_event = progress.listener();
    request.cancel_fd = interrupts.fd();
    const stack::Failures failed =
        TRY(flags.action == "up" ? stack::boot_up(target.environment, request)
                                 : stack::boot_down(target.environment, request));
    progress.finish();
    return report_failures(target.environment.paths, target.project, failed,
                           context.terminal.err_colour);
}

}  // namespace davit::cli
