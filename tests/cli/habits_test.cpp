#include "cli/habits.h"

#include "cli/app.h"

#include <doctest/doctest.h>

namespace davit::cli {
namespace {

using Words = std::vector<std::string>;

TEST_CASE("command lines of docker and docker compose are davit's without a word or two") {
    struct Case {
        Words typed;
        Words meant;
    };
    const Case cases[] = {
        {{}, {}},
        {{"up", "-d"}, {"up", "-d"}},
        {{"compose", "up", "-d"}, {"up", "-d"}},
        {{"compose"}, {}},
        {{"compose", "-f", "a.yaml", "up"}, {"-f", "a.yaml", "up"}},
        {{"container", "ls", "-a"}, {"ps", "-a"}},
        {{"container", "logs", "web"}, {"logs", "web"}},
        {{"container", "prune"}, {"container", "prune"}},
        {{"buildx", "build", "."}, {"build", "."}},
        {{"image", "build", "."}, {"build", "."}},
        {{"image", "list"}, {"image", "ls"}},
        {{"volume", "list", "-q"}, {"volume", "ls", "-q"}},
        {{"network", "remove", "shop"}, {"network", "rm", "shop"}},
        {{"system", "info"}, {"info"}},
        {{"ps", "-a", "-f", "name=web"}, {"ps", "-a", "--filter", "name=web"}},
        {{"container", "ls", "-f", "status=exited"}, {"ps", "--filter", "status=exited"}},
        {{"ps", "-f", "compose.yaml"}, {"ps", "-f", "compose.yaml"}},
        {{"ps", "-f", "./a=b.yaml"}, {"ps", "-f", "./a=b.yaml"}},
        // The words of a program are its own.
        {{"exec", "web", "compose", "ls"}, {"exec", "web", "compose", "ls"}},
    };
    for (const Case& c : cases) {
        CAPTURE(c.typed);
        CHECK(without_habits(c.typed) == c.meant);
    }
}

/// What is said of a command line that can't be understood.
std::string complaint(const Words& arguments) {
    const auto parsed = parse(arguments);
    const auto* early = std::get_if<EarlyExit>(&parsed);
    return early == nullptr ? "" : early->err;
}

TEST_CASE("habits stand behind flags of all commands, too") {
    const auto parsed = parse({"-p", "compose", "compose", "ps", "-f", "name=web"});
    REQUIRE(std::holds_alternative<Invocation>(parsed));
    const Invocation& invocation = std::get<Invocation>(parsed);
    CHECK(invocation.globals.project_name == "compose");
    CHECK(invocation.globals.files.empty());
    CHECK(std::get<PsFlags>(invocation.command).filters == Words{"name=web"});
}

TEST_CASE("what docker has and davit has not is answered with what to do instead") {
    CHECK(complaint({"swarm", "init"}) ==
          "error: unknown command 'swarm'\n"
          "  help: davit acts on this host alone: there is nothing to join\n");
    CHECK(complaint({"system", "info"}) ==
          "error: unknown command 'info'\n"
          "  help: 'davit version' says what the kernel offers, 'davit doctor' what is amiss\n");
    CHECK(complaint({"run", "--memory=64m", "nginx"}) ==
          "error: unknown flag: --memory\n"
          "  help: write a compose file with 'mem_limit' in it, and use 'davit up'\n");
    CHECK(complaint({"run", "-m", "64m", "nginx"}) ==
          "error: unknown flag: -m\n"
          "  help: write a compose file with 'mem_limit' in it, and use 'davit up'\n");
    CHECK(complaint({"volume", "insepct", "data"}) ==
          "error: unknown command 'volume insepct'\n"
          "  help: the nearest command is 'volume inspect'\n");
    CHECK(complaint({"volume"}).find("'davit volume --help'") != std::string::npos);
}

}  // namespace
}  // namespace davit::cli
