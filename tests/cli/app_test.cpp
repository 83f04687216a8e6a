#include "cli/app.h"

#include "cli/exit_code.h"
#include "cli/watch_beside.h"

#include <doctest/doctest.h>

using namespace davit::cli;

namespace {

using Words = std::vector<std::string>;

/// The flags of a command line that must be understood as that command.
template <typename Flags>
Flags flags_of(const Words& arguments) {
    const auto parsed = parse(arguments);
    const auto* invocation = std::get_if<Invocation>(&parsed);
    if (invocation == nullptr) FAIL(std::get<EarlyExit>(parsed).err);
    const auto* flags = std::get_if<Flags>(&invocation->command);
    REQUIRE(flags != nullptr);
    return *flags;
}

Globals globals_of(const Words& arguments) {
    const auto parsed = parse(arguments);
    const auto* invocation = std::get_if<Invocation>(&parsed);
    if (invocation == nullptr) FAIL(std::get<EarlyExit>(parsed).err);
    return invocation->globals;
}

EarlyExit exit_of(const Words& arguments) {
    const auto parsed = parse(arguments);
    const auto* early = std::get_if<EarlyExit>(&parsed);
    REQUIRE(early != nullptr);
    return *early;
}

}  // namespace

TEST_CASE("global flags stand before the command and after it") {
    for (const Words& arguments :
         {Words{"-f", "a.yaml", "-p", "shop", "--data-root", "/big", "down"},
          Words{"down", "-f", "a.yaml", "-p", "shop", "--data-root", "/big"},
          Words{"--file=a.yaml", "down", "--project-name=shop", "--data-root=/big"}}) {
        const Globals globals = globals_of(arguments);
        CHECK(globals.files == Words{"a.yaml"});
        CHECK(globals.project_name == "shop");
        CHECK(globals.data_root == "/big");
    }
    const Globals several = globals_of({"-f", "a.yaml", "-f", "b.yaml", "--env-file", "x", "ps"});
    CHECK(several.files == Words{"a.yaml", "b.yaml"});
    CHECK(several.env_files == Words{"x"});
    CHECK(globals_of({"up", "--dry-run"}).dry_run);
    CHECK(globals_of({"--log-level", "debug", "--log-format", "json", "--ansi", "never",
                      "--progress", "quiet", "ps"})
              .log_level == "debug");
}

TEST_CASE("the watcher beside up is given what up was given") {
    Globals globals;
    globals.files = {"a.yaml", "b.yaml"};
    globals.project_name = "shop";
    globals.project_directory = "/srv/shop";
    globals.env_files = {"one.env", "two.env"};
    globals.profiles = {"debug"};
    globals.data_root = "/big";
    globals.ansi = "never";
    globals.progress = "plain";
    globals.parallel = 3;
    UpFlags up;
    up.services = {"web", "db"};
    up.scale = {"web=3", "db=1"};
    up.timeout_s = 0;
    for (const Globals& given : {Globals{}, globals}) {
        const Words words = watch_arguments(given, up, 7);
        CHECK(globals_of(words) == given);
        const WatchFlags flags = flags_of<WatchFlags>(words);
        CHECK(flags.no_up);
        CHECK(flags.services == up.services);
        CHECK(flags.scale == up.scale);
        CHECK(flags.timeout_s == 0);
        CHECK(flags.tell_fd == 7);
    }
}

TEST_CASE("up takes its flags and services") {
    const UpFlags flags =
        flags_of<UpFlags>({"up", "-d", "--force-recreate", "--remove-orphans", "--no-start", "-t",
                           "3", "--no-log-prefix", "--no-color", "web", "db"});
    CHECK(flags.detach);
    CHECK(flags.force_recreate);
    CHECK(flags.remove_orphans);
    CHECK(flags.no_start);
    CHECK(flags.timeout_s == 3);
    CHECK(flags.no_log_prefix);
    CHECK(flags.no_color);
    CHECK(flags.services == Words{"web", "db"});
    CHECK(flags_of<UpFlags>({"up", "web", "--detach"}).detach);
    CHECK(!flags_of<UpFlags>({"up"}).timeout_s.has_value());
}

TEST_CASE("a service may be called like a command") {
    CHECK(flags_of<UpFlags>({"up", "ps", "down"}).services == Words{"ps", "down"});
    CHECK(flags_of<LogsFlags>({"logs", "up"}).services == Words{"up"});
}

TEST_CASE("flags of a command go before global ones of the same letter") {
    CHECK(flags_of<LogsFlags>({"logs", "-f", "web"}).follow);
    CHECK(flags_of<LogsFlags>({"logs", "-f", "web"}).services == Words{"web"});
    CHECK(globals_of({"-f", "x.yaml", "logs", "-f"}).files == Words{"x.yaml"});
    const InspectFlags inspect = flags_of<InspectFlags>({"inspect", "-f", "{{.State.Pid}}", "web"});
    CHECK(inspect.format == "{{.State.Pid}}");
    CHECK(inspect.names == Words{"web"});
    CHECK(flags_of<InspectFlags>({"inspect", "web", "--format={{.Id}}"}).format == "{{.Id}}");
    CHECK(flags_of<DownFlags>({"down", "-v"}).volumes);
    CHECK(globals_of({"down", "-f", "x.yaml"}).files == Words{"x.yaml"});
}

TEST_CASE("the other commands take their flags") {
    const LogsFlags logs =
        flags_of<LogsFlags>({"logs", "-n", "5", "-t", "--since", "10m", "--until", "1m"});
    CHECK(logs.tail == "5");
    CHECK(logs.timestamps);
    CHECK(logs.since == "10m");
    CHECK(logs.until == "1m");
    CHECK(flags_of<LogsFlags>({"logs", "--tail=all"}).tail == "all");
    CHECK(flags_of<LogsFlags>({"logs", "-fn5"}).tail == "5");

    const DownFlags down =
        flags_of<DownFlags>({"down", "--volumes", "-t", "0", "--remove-orphans"});
    CHECK(down.volumes);
    CHECK(down.timeout_s == 0);

    const PsFlags ps = flags_of<PsFlags>({"ps", "-aq", "--format", "json", "web"});
    CHECK(ps.all);
    CHECK(ps.quiet);
    CHECK(ps.format == "json");
    CHECK(ps.services == Words{"web"});
    CHECK(flags_of<PsFlags>({"ps", "--services"}).services_only);

    const PlanFlags plan = flags_of<PlanFlags>({"plan", "--format=json", "--detailed-exitcode"});
    CHECK(plan.format == "json");
    CHECK(plan.detailed_exitcode);
    const PlanFlags written =
        flags_of<PlanFlags>({"plan", "--out", "f", "--force-recreate", "--scale", "a=2", "web"});
    CHECK(written.out == "f");
    CHECK(written.up.force_recreate);
    CHECK(written.up.scale == Words{"a=2"});
    CHECK(written.up.services == Words{"web"});

    const ImagesFlags images = flags_of<ImagesFlags>({"images", "-q", "--digests", "--no-trunc"});
    CHECK(images.quiet);
    CHECK(images.digests);
    CHECK(images.no_trunc);

    CHECK(flags_of<LoadFlags>({"load", "-i", "x.tar", "-q"}).input == "x.tar");
    CHECK(flags_of<LoadFlags>({"load"}).input.empty());

    const ImportFlags import = flags_of<ImportFlags>(
        {"import", "-c", "CMD [\"sh\"]", "--change", "ENV A=1", "-m", "first", "-", "local/x:1"});
    CHECK(import.changes == Words{"CMD [\"sh\"]", "ENV A=1"});
    CHECK(import.message == "first");
    CHECK(import.archive == "-");
    CHECK(import.reference == "local/x:1");
    CHECK(flags_of<ImportFlags>({"import", "x.tar"}).reference.empty());

    CHECK(flags_of<TagFlags>({"tag", "a", "b"}).target == "b");
    const RmiFlags rmi = flags_of<RmiFlags>({"rmi", "-f", "a", "b"});
    CHECK(rmi.force);
    CHECK(rmi.images == Words{"a", "b"});
    CHECK(flags_of<StopFlags>({"stop", "-t", "4", "web"}).timeout_s == 4);
    CHECK(flags_of<ConfigFlags>({"config", "-q"}).quiet);
    CHECK(flags_of<ConfigFlags>({"config", "--services"}).services);
    CHECK(flags_of<VersionFlags>({"version", "--short"}).brief);
    CHECK(flags_of<VersionFlags>({"version", "-f", "json"}).format == "json");
}

TEST_CASE("mistakes in the command line have their status and a cure") {
    struct Case {
        Words arguments;
        int code;
        const char* err;
    };
    const Case cases[] = {
        {{"lgos"},
         kBadUsage,
         "error: unknown command 'lgos'\n  help: the nearest command is 'logs'\n"},
        {{"frobnicate", "--hard"},
         kBadUsage,
         "error: unknown command 'frobnicate'\n  help: see 'davit --help' for all commands\n"},
        {{"publish", "web"},
         kFailed,
         "error: the command 'publish' is not supported yet\n"
         "  help: see 'davit --help' for those that are\n"},
        {{"-p", "logs", "lgos"},
         kBadUsage,
         "error: unknown command 'lgos'\n  help: the nearest command is 'logs'\n"},
        {{"up", "--detatch"},
         kBadUsage,
         "error: unknown flag: --detatch\n  help: the nearest flag is '--detach'\n"},
        {{"up", "-x"}, kBadUsage, "error: unknown flag: -x\n  help: see 'davit up --help'\n"},
        {{"--bogus=1", "up"},
         kBadUsage,
         "error: unknown flag: --bogus\n  help: see 'davit up --help'\n"},
        {{"ls", "web"},
         kFailed,
         "error: too many arguments: 'web'\n  help: see 'davit ls --help'\n"},
        {{"inspect"}, kFailed, "error: NAME is required\n  help: see 'davit inspect --help'\n"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.err);
        const EarlyExit early = exit_of(c.arguments);
        CHECK(early.code == c.code);
        CHECK(early.err == c.err);
        CHECK(early.out.empty());
    }
    CHECK(exit_of({"up", "-t", "soon"}).code == kFailed);
    CHECK(exit_of({"up", "-t", "-1"}).code == kFailed);
}

TEST_CASE("help and version go to standard output") {
    for (const Words& arguments : {Words{}, Words{"--help"}, Words{"help"}}) {
        const EarlyExit early = exit_of(arguments);
        CHECK(early.code == kOk);
        CHECK(early.err.empty());
        CHECK(early.out.find("Usage: davit") != std::string::npos);
        CHECK(early.out.find("inspect") != std::string::npos);
    }
    const EarlyExit up = exit_of({"up", "--help"});
    CHECK(up.code == kOk);
    CHECK(up.out.find("--force-recreate") != std::string::npos);
    CHECK(up.out.find("Usage: davit up [OPTIONS]") != std::string::npos);
    CHECK(exit_of({"--version"}).out == "davit version " + version_number() + "\n");
    CHECK(exit_of({"-v"}).out == "davit version " + version_number() + "\n");
}

TEST_CASE("what stands behind the service of run is the program's") {
    const RunFlags flags = flags_of<RunFlags>(
        {"run", "--rm", "-e", "A=b", "-p", "80:80", "web", "sh", "-c", "x", "--rm", "-e"});
    CHECK(flags.remove);
    CHECK(flags.env == Words{"A=b"});
    CHECK(flags.publish == Words{"80:80"});
    CHECK(flags.service == "web");
    CHECK(flags.command == Words{"sh", "-c", "x", "--rm", "-e"});
    CHECK(flags_of<RunFlags>({"run", "web"}).interactive);
}

TEST_CASE("commands of commands take their own flags") {
    CHECK(flags_of<VolumeListFlags>({"volume", "ls", "-q"}).quiet);
    CHECK(flags_of<VolumeRemoveFlags>({"volume", "rm", "-f", "a", "b"}).names == Words{"a", "b"});
    CHECK(exit_of({"volume", "ls", "--help"}).out.find("--filter") != std::string::npos);
    CHECK(flags_of<UpFlags>({"up", "--scale", "a=2", "--scale", "b=3", "web"}).scale ==
          Words{"a=2", "b=3"});
}
