#include "cli/app.h"

#include "base/file.h"
#include "base/lock_wait.h"
#include "base/log.h"
#include "base/strings.h"
#include "cli/exit_code.h"
#include "cli/habits.h"
#include "cli/interrupts.h"
#include "cli/render.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <climits>
#include <memory>
#include <unistd.h>

namespace davit::cli {
namespace {

/// Commands of docker compose and docker that davit doesn't have yet: asking for one is no typing
/// mistake.
const std::vector<std::string> kNotYet = {"diff", "publish", "rename", "update"};

void declare_globals(CLI::App& app, Globals& globals) {
    // One value a flag: "-f a.yaml up" must not take "up" for a second file.
    app.add_option("-f,--file", globals.files, "Compose file; may be repeated")
        ->allow_extra_args(false)
        ->type_name("FILE");
    app.add_option("-p,--project-name", globals.project_name, "Name of the project")
        ->type_name("NAME");
    app.add_option("--project-directory", globals.project_directory,
                   "Folder that paths in the file are relative to")
        ->type_name("FOLDER");
    app.add_option("--env-file", globals.env_files, "File with variables; may be repeated")
        ->allow_extra_args(false)
        ->type_name("FILE");
    app.add_option("--profile", globals.profiles, "Profile to activate; may be repeated")
        ->allow_extra_args(false)
        ->type_name("NAME");
    app.add_option("--data-root", globals.data_root,
                   "Where images, volumes and containers are kept (default /var/lib/davit)")
        ->type_name("FOLDER");
    app.add_option("--log-level", globals.log_level, "debug, info, warn, error or off")
        ->type_name("LEVEL");
    app.add_option("--log-format", globals.log_format, "text or json")->type_name("FORMAT");
    app.add_option("--ansi", globals.ansi, "Colours: auto, never or always")->type_name("WHEN");
    app.add_option("--progress", globals.progress, "auto, tty, plain, json or quiet")
        ->type_name("KIND");
    app.add_option("--parallel", globals.parallel,
                   "Steps at the same time; -1: as many as is good");
    app.add_flag("--dry-run", globals.dry_run, "Say what would be done, and do nothing");
}

/// What is declared, and where the command that is chosen goes.
struct Declaring {
    Command& chosen;
    /// Of the commands only this one, which is what the words ask for; empty: all. To declare a
    /// hundred commands takes longer than most of them take to run.
    std::string only = {};

    bool wants(std::string_view name) const { return only.empty() || only == name; }
};

template <typename Flags>
void add_command(CLI::App& app, const char* name, const char* about, const Declaring& declaring) {
    if (app.get_parent() == nullptr && !declaring.wants(name)) return;
    CLI::App* command = app.add_subcommand(name, about);
    const auto flags = std::make_shared<Flags>();
    declare(*command, *flags);
    command->callback([flags, &chosen = declaring.chosen] { chosen = *flags; });
}

/// A word that others follow; nothing where it isn't wanted.
CLI::App* add_group(CLI::App& app, const char* name, const char* about,
                    const Declaring& declaring) {
    if (!declaring.wants(name)) return nullptr;
    CLI::App* group = app.add_subcommand(name, about);
    group->require_subcommand(1);
    return group;
}

/// `davit image …`, as `docker image …` has it.
void declare_image_commands(CLI::App& app, const Declaring& chosen) {
    CLI::App* image = add_group(app, "image", "Everything about images", chosen);
    if (image == nullptr) return;
    add_command<ImagesFlags>(*image, "ls", "List images", chosen);
    add_command<ImageInspectFlags>(*image, "inspect", "Show everything about images", chosen);
    add_command<HistoryFlags>(*image, "history", "Show how an image came about", chosen);
    add_command<PullFlags>(*image, "pull", "Bring images from their registries", chosen);
    add_command<PushFlags>(*image, "push", "Give images to their registries", chosen);
    add_command<LoadFlags>(*image, "load", "Load images from an archive", chosen);
    add_command<SaveFlags>(*image, "save", "Write images to an archive", chosen);
    add_command<ImportFlags>(*image, "import", "Make an image of a root file system", chosen);
    add_command<TagFlags>(*image, "tag", "Give an image another name", chosen);
    add_command<RmiFlags>(*image, "rm", "Remove images", chosen);
    add_command<ImagePruneFlags>(*image, "prune", "Remove images that nothing uses", chosen);
    add_command<ImageCheckFlags>(*image, "check", "Check the store, and mend it", chosen);
}

void declare_system_commands(CLI::App& app, const Declaring& chosen) {
    CLI::App* system = add_group(app, "system", "The disk, and davit itself", chosen);
    if (system == nullptr) return;
    add_command<SystemDfFlags>(*system, "df", "Show what takes how much of the disk", chosen);
    add_command<SystemPruneFlags>(*system, "prune", "Remove what nothing uses", chosen);
    add_command<ReexecFlags>(*system, "reexec",
                             "Let running containers' guards become the installed version", chosen);
}

void declare_data_root_commands(CLI::App& app, const Declaring& chosen) {
    CLI::App* data_root =
        add_group(app, "data-root", "The folder with everything that lasts", chosen);
    if (data_root == nullptr) return;
    add_command<DataRootMoveFlags>(*data_root, "move", "Move it to another disk", chosen);
}

void declare_builder_commands(CLI::App& app, const Declaring& chosen) {
    CLI::App* builder = add_group(app, "builder", "Build, and what builds keep", chosen);
    if (builder == nullptr) return;
    add_command<BuildFlags>(*builder, "build", "Build images from Dockerfiles", chosen);
    add_command<BuilderPruneFlags>(*builder, "prune", "Remove what builds keep", chosen);
}

void declare_volume_commands(CLI::App& app, const Declaring& chosen) {
    CLI::App* volume = add_group(app, "volume", "List, make and remove volumes", chosen);
    if (volume == nullptr) return;
    add_command<VolumeListFlags>(*volume, "ls", "List volumes", chosen);
    add_command<VolumeInspectFlags>(*volume, "inspect", "Show volumes as JSON", chosen);
    add_command<VolumeCreateFlags>(*volume, "create", "Make a volume", chosen);
    add_command<VolumeRemoveFlags>(*volume, "rm", "Remove volumes", chosen);
    add_command<VolumePruneFlags>(*volume, "prune", "Remove volumes that nothing uses", chosen);
}

void declare_network_commands(CLI::App& app, const Declaring& chosen) {
    CLI::App* network = add_group(app, "network", "List, make and remove networks", chosen);
    if (network == nullptr) return;
    add_command<NetworkListFlags>(*network, "ls", "List networks", chosen);
    add_command<NetworkInspectFlags>(*network, "inspect", "Show networks as JSON", chosen);
    add_command<NetworkCreateFlags>(*network, "create", "Make a network", chosen);
    add_command<NetworkRemoveFlags>(*network, "rm", "Remove networks", chosen);
    add_command<NetworkPruneFlags>(*network, "prune", "Remove networks that nothing uses", chosen);
    add_command<NetworkReloadFlags>(*network, "reload", "Load the packet rules again", chosen);
}

void declare_commands(CLI::App& app, const Declaring& chosen) {
    app.fallthrough();  // global flags may also stand after the command
    app.require_subcommand(0, 1);
    add_command<UpFlags>(app, "up", "Create and start the stack", chosen);
    add_command<CreateFlags>(app, "create", "Create the stack without starting it", chosen);
    add_command<DownFlags>(app, "down", "Stop and remove the stack", chosen);
    add_command<StopFlags>(app, "stop", "Stop containers without removing them", chosen);
    add_command<StartFlags>(app, "start", "Start containers that don't run", chosen);
    add_command<RestartFlags>(app, "restart", "Stop and start containers", chosen);
    add_command<PauseFlags>(app, "pause", "Stop processes where they are", chosen);
    add_command<UnpauseFlags>(app, "unpause", "Let paused processes go on", chosen);
    add_command<AttachFlags>(app, "attach", "Connect the terminal with a container", chosen);
    add_command<RunFlags>(app, "run", "Run a command in a new container of a service", chosen);
    add_command<ScaleFlags>(app, "scale", "Change the number of containers of services", chosen);
    add_command<KillFlags>(app, "kill", "Send a signal to containers", chosen);
    add_command<RmFlags>(app, "rm", "Remove containers that don't run", chosen);
    add_command<PlanFlags>(app, "plan", "Show what 'up' would change, and why", chosen);
    add_command<PsFlags>(app, "ps", "List containers", chosen);
    add_command<LogsFlags>(app, "logs", "Show what containers have written", chosen);
    add_command<InspectFlags>(app, "inspect", "Show everything about containers as JSON", chosen);
    add_command<ExecFlags>(app, "exec", "Run a command in a running container", chosen);
    add_command<CopyFlags>(app, "cp", "Copy files between a container and the host", chosen);
    add_command<TopFlags>(app, "top", "List the processes of containers", chosen);
    add_command<StatsFlags>(app, "stats", "Show what containers use of the host", chosen);
    add_command<EventsFlags>(app, "events", "Tell what happens to containers", chosen);
    add_command<PortFlags>(app, "port", "Show where a port of a container is published", chosen);
    add_command<WaitFlags>(app, "wait", "Wait until containers have ended", chosen);
    add_command<WatchFlags>(app, "watch", "Bring changed files into running containers", chosen);
    add_command<LsFlags>(app, "ls", "List projects", chosen);
    add_command<ConfigFlags>(app, "config", "Check the compose file", chosen);
    add_command<ConvertFlags>(app, "convert", "The same as config", chosen);
    add_command<ImagesFlags>(app, "images", "List images", chosen);
    add_command<BuildFlags>(app, "build", "Build images from Dockerfiles", chosen);
    add_command<LoadFlags>(app, "load", "Load images from an archive", chosen);
    add_command<ImportFlags>(app, "import", "Make an image of a root file system", chosen);
    add_command<PullFlags>(app, "pull", "Bring images from their registries", chosen);
    add_command<LoginFlags>(app, "login", "Log in to a registry", chosen);
    add_command<LogoutFlags>(app, "logout", "Log out from a registry", chosen);
    add_command<PushFlags>(app, "push", "Give images to their registries", chosen);
    add_command<SaveFlags>(app, "save", "Write images to an archive", chosen);
    add_command<TagFlags>(app, "tag", "Give an image another name", chosen);
    add_command<RmiFlags>(app, "rmi", "Remove images", chosen);
    add_command<HistoryFlags>(app, "history", "Show how an image came about", chosen);
    declare_image_commands(app, chosen);
    add_command<CommitFlags>(app, "commit", "Make an image of a container's changes", chosen);
    add_command<ExportFlags>(app, "export", "Write a container's file system as an archive",
                             chosen);
    declare_system_commands(app, chosen);
    declare_data_root_commands(app, chosen);
    declare_builder_commands(app, chosen);
    add_command<VolumesFlags>(app, "volumes", "List the volumes of the project", chosen);
    declare_volume_commands(app, chosen);
    declare_network_commands(app, chosen);
    add_command<EnableFlags>(app, "enable", "Bring a project back after a reboot", chosen);
    add_command<DisableFlags>(app, "disable", "Leave a project down after a reboot", chosen);
    add_command<CompletionFlags>(app, "completion", "Print the completion of a shell", chosen);
    add_command<DoctorFlags>(app, "doctor", "Look for what is amiss on this host", chosen);
    add_command<VersionFlags>(app, "version", "Show the version and what the kernel offers",
                              chosen);
    // For the build and for units, not for people.
    add_command<ManualFlags>(app, "manual", "Write the manual pages", chosen);
    add_command<BootFlags>(app, "boot", "What the unit of a project calls", chosen);
    for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
        if (command->get_name() == "manual" || command->get_name() == "boot") command->group("");
}

constexpr const char* kAbout = "Runs Compose files on this host, without a daemon.";

void declare_globals(CLI::App& app, Invocation& invocation, bool& version) {
    declare_globals(app, invocation.globals);
    app.add_flag("-v,--version", version, "Show the version");
}

EarlyExit mistake(int code, std::string what, std::string help) {
    Error error = Error(ErrorKind::InvalidInput, std::move(what)).help(std::move(help));
    return {code, {}, render(error, false)};
}

std::vector<std::string> command_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
    return names;
}

EarlyExit unknown_command(const CLI::App& app, const std::string& word) {
    if (std::find(kNotYet.begin(), kNotYet.end(), word) != kNotYet.end())
        return mistake(kFailed, fmt::format("the command '{}' is not supported yet", word),
                       "see 'davit --help' for those that are");
    const std::string what = fmt::format("unknown command '{}'", printable(word));
    if (const auto instead = instead_of_command(word)) return mistake(kBadUsage, what, *instead);
    std::vector<std::string> names = command_names(app);
    std::erase_if(names, [&](const std::string& name) {
        return app.get_subcommand(name)->get_group().empty();  // hidden
    });
    const auto near = nearest(word, names);
    return mistake(kBadUsage, what,
                   near ? fmt::format("the nearest command is '{}'", *near)
                        : "see 'davit --help' for all commands");
}

/// `volume lst`: a word that is none of the commands of a group.
EarlyExit unknown_inner_command(const CLI::App& group, const std::string& word) {
    const auto near = nearest(word, command_names(group));
    return mistake(kBadUsage,
                   fmt::format("unknown command '{} {}'", group.get_name(), printable(word)),
                   near ? fmt::format("the nearest command is '{} {}'", group.get_name(), *near)
                        : fmt::format("see 'davit {} --help'", group.get_name()));
}

EarlyExit unknown_flag(const CLI::App& app, const std::string& flag) {
    std::vector<std::string> names;
    const auto collect = [&](const CLI::App& from) {
        for (const CLI::Option* option : from.get_options())
            for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    };
    collect(app);
    std::string command;
    for (const CLI::App* chosen : app.get_subcommands()) {
        collect(*chosen);
        command = " " + chosen->get_name();
    }
    const std::string name = flag.substr(0, flag.find('='));
    if (const auto attribute = attribute_of_run_flag(name); attribute && command == " run")
        return mistake(
            kBadUsage, fmt::format("unknown flag: {}", printable(name)),
            fmt::format("write a compose file with '{}' in it, and use 'davit up'", *attribute));
    const auto near = name.starts_with("--") ? nearest(name, names) : std::nullopt;
    return mistake(kBadUsage, fmt::format("unknown flag: {}", printable(name)),
                   near ? fmt::format("the nearest flag is '{}'", *near)
                        : fmt::format("see 'davit{} --help'", command));
}

/// Where the first word stands that is neither a global flag nor the value of one: the command.
/// Looked for before parsing, so that flags of an unknown command are not what is complained about.
std::size_t command_at(const CLI::App& app, const std::vector<std::string>& arguments) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& word = arguments[i];
        if (!word.starts_with('-') || word == "-") return i;
        const CLI::Option* option = app.get_option_no_throw(word);
        const bool takes_value = option != nullptr && option->get_items_expected_max() > 0;
        if (takes_value) ++i;
    }
    return arguments.size();
}

/// The line in davit's words. What stands behind `compose` may begin with global flags, too.
std::vector<std::string> in_our_words(const CLI::App& app, std::vector<std::string> arguments) {
    for (;;) {
        const auto at = arguments.begin() + static_cast<std::ptrdiff_t>(command_at(app, arguments));
        const std::vector<std::string> typed(at, arguments.end());
        const std::vector<std::string> meant = without_habits(typed);
        if (meant == typed) return arguments;
        arguments.erase(at, arguments.end());
        arguments.insert(arguments.end(), meant.begin(), meant.end());
    }
}

/// `exec web sh -c x`: what stands behind the service is the program's, flags and all. Put behind
/// "--", so that it is not taken for davit's own.
std::vector<std::string> set_program_apart(const CLI::App& app, const std::string& name_of_command,
                                           std::vector<std::string> arguments) {
    const auto at = std::find(arguments.begin(), arguments.end(), name_of_command);
    const CLI::App* command = &app;
    for (const CLI::App* known : app.get_subcommands([](const CLI::App*) { return true; }))
        if (known->get_name() == name_of_command) command = known;
    for (auto word = at == arguments.end() ? at : at + 1; word != arguments.end(); ++word) {
        if (*word == "--") return arguments;
        if (!word->starts_with('-') || *word == "-") {
            arguments.insert(word + 1, "--");
            return arguments;
        }
        // Short flags may stand together: the last of "-ite" takes the value.
        std::string name = *word;
        if (!name.starts_with("--") && name.size() > 2) name = std::string("-") + name.back();
        const CLI::Option* option = command->get_option_no_throw(name);
        if (option == nullptr) option = app.get_option_no_throw(name);
        if (option != nullptr && option->get_items_expected_max() > 0 &&
            word + 1 != arguments.end())
            ++word;
    }
    return arguments;
}

EarlyExit explain(const CLI::App& app, const CLI::ParseError& problem) {
    if (problem.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success))
        return {kOk, app.help(), {}};  // --help
    const std::vector<std::string> rest = app.remaining(true);
    std::string command;
    for (const CLI::App* chosen : app.get_subcommands()) command = " " + chosen->get_name();
    if (dynamic_cast<const CLI::ExtrasError*>(&problem) != nullptr && !rest.empty()) {
        const auto flag = std::find_if(rest.begin(), rest.end(), [](const std::string& word) {
            return word.starts_with('-');
        });
        if (flag != rest.end()) return unknown_flag(app, *flag);
        return mistake(kFailed, fmt::format("too many arguments: '{}'", printable(rest.front())),
                       fmt::format("see 'davit{} --help'", command));
    }
    const bool lacks = dynamic_cast<const CLI::RequiredError*>(&problem) != nullptr;
    if (lacks && !rest.empty() && app.get_subcommands().front()->get_require_subcommand_min() > 0)
        return unknown_inner_command(*app.get_subcommands().front(), rest.front());
    std::string text = problem.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return mistake(kFailed, std::move(text), fmt::format("see 'davit{} --help'", command));
}

std::string help_of(const CLI::App& app) {
    // "volume ls --help" is about the innermost of them.
    const CLI::App* inner = &app;
    std::string above;
    while (!inner->get_subcommands().empty()) {
        above += (above.empty() ? "" : " ") + inner->get_name();
        inner = inner->get_subcommands().front();
    }
    if (inner == &app) return app.help() + help_footer("");
    const std::string path = above + " " + inner->get_name();
    return inner->help(above) + help_footer(path.substr(path.find(' ') + 1));
}

std::string working_dir() {
    char path[PATH_MAX];
    return ::getcwd(path, sizeof path) == nullptr ? "/" : path;
}

Result<int> run_command(const Context& context, const Command& command) {
    return std::visit(
        [&](const auto& flags) -> Result<int> {
            if constexpr (std::is_same_v<decltype(flags), const std::monostate&>)
                return kOk;
            else
                return run(context, flags);
        },
        command);
}

/// What docker compose's variables say, where no flag says otherwise.
Result<void> apply_variables(Context& context) {
    Globals& globals = context.globals;
    if (const std::string ansi = context.variable("COMPOSE_ANSI");
        globals.ansi == "auto" && !ansi.empty())
        globals.ansi = ansi;
    if (const std::string progress = context.variable("COMPOSE_PROGRESS");
        globals.progress == "auto" && !progress.empty())
        globals.progress = progress;
    const std::string limit = context.variable("COMPOSE_PARALLEL_LIMIT");
    if (globals.parallel != 0 || limit.empty()) return {};
    const auto number = parse_integer(limit);
    if (!number || *number < -1 || *number > INT_MAX)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("COMPOSE_PARALLEL_LIMIT is '{}'", printable(limit)))
            .help("set it to a number of steps, or to -1");
    globals.parallel = static_cast<int>(*number);
    return {};
}

Result<void> set_up(Context& context) {
    TRY(apply_variables(context));
    context.terminal = TRY(probe_terminal(context.globals.ansi, context.environment));
    log::Options options;
    options.level = TRY(log::parse_level(context.globals.log_level));
    options.format = TRY(log::parse_format(context.globals.log_format));
    return log::configure(options);
}

}  // namespace

namespace {
/// Nobody is to wonder why nothing happens.
void tell_of_wait(pid_t holder) {
    Result<std::string> words = read_file(fmt::format("/proc/{}/cmdline", holder));
    std::string who = words ? *std::move(words) : std::string();
    std::replace(who.begin(), who.end(), '\0', ' ');
    if (!who.empty()) who = fmt::format(": process {} ({})", holder, harmless(trim(who)));
    to_stderr(fmt::format(" Waiting for another command to be done{}\n", who));
}

/// `help up` is `up --help`.
std::variant<Invocation, EarlyExit> help_about(std::vector<std::string> words) {
    words.erase(std::find(words.begin(), words.end(), "help"));
    words.push_back("--help");
    return parse(words);
}
}  // namespace

std::variant<Invocation, EarlyExit> parse(const std::vector<std::string>& typed) {
    Invocation invocation;
    bool version = false;
    CLI::App app(kAbout, "davit");
    declare_globals(app, invocation, version);

    const std::vector<std::string> arguments = in_our_words(app, typed);
    const std::size_t at = command_at(app, arguments);
    const std::string word = at < arguments.size() ? arguments[at] : "";
    declare_commands(app, {invocation.command, word});
    if (!word.empty() && command_names(app).empty()) {
        if (word == "help") return help_about(arguments);
        declare_commands(app, {invocation.command});
        return unknown_command(app, word);
    }
    try {
        const std::vector<std::string> words =
            word == "exec" || word == "run" ? set_program_apart(app, word, arguments) : arguments;
        std::vector<std::string> reversed(words.rbegin(), words.rend());  // as CLI11 has it
        app.parse(std::move(reversed));
    } catch (const CLI::CallForHelp&) {
        return EarlyExit{kOk, help_of(app), {}};
    } catch (const CLI::ParseError& problem) {
        return explain(app, problem);
    }
    if (version) return EarlyExit{kOk, fmt::format("davit version {}\n", version_number()), {}};
    if (std::holds_alternative<std::monostate>(invocation.command))
        return EarlyExit{kOk, help_of(app), {}};
    return invocation;
}

Catalog catalog() {
    Invocation invocation;
    bool version = false;
    CLI::App app(kAbout, "davit");
    declare_globals(app, invocation, version);
    declare_commands(app, {invocation.command});
    return describe(app);
}

int run_app(const std::vector<std::string>& arguments,
            const std::map<std::string, std::string>& environment) {
    const auto parsed = parse(arguments);
    if (const auto* early = std::get_if<EarlyExit>(&parsed)) {
        to_stdout(early->out);
        to_stderr(early->err);
        return flush_stdout() ? early->code : kFailed;
    }
    const Invocation& invocation = std::get<Invocation>(parsed);
    Context context;
    context.globals = invocation.globals;
    context.environment = environment;
    context.working_dir = working_dir();
    set_lock_wait({.tell = tell_of_wait, .interrupts = Interrupts::count});
    const auto everything = [&]() -> Result<int> {
        TRY(set_up(context));
        return run_command(context, invocation.command);
    };
    const Result<int> result = everything();
    if (!flush_stdout()) {
        to_stderr(render(Error(ErrorKind::System, "standard output takes no more"),
                         context.terminal.err_colour));
        return kFailed;
    }
    if (result) return *result;
    to_stderr(render(result.error(), context.terminal.err_colour));
    return result.error().kind() == ErrorKind::Cancelled ? kInterrupted : kFailed;
}

}  // namespace davit::cli
