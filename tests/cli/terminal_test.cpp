#include "cli/terminal.h"

#include "base/source.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/table.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::cli;

TEST_CASE("text of others becomes harmless") {
    CHECK(harmless("plain ä € 😀\t.") == "plain ä € 😀\t.");
    CHECK(harmless("a\nb\rc\x1b[1m\x7f") == "a\\nb\\rc\\x1b[1m\\x7f");
    CHECK(harmless("\x1b[1mx\x1b[2K", Sgr::Keep) == "\x1b[1mx\\x1b[2K");
    CHECK(harmless("\xff\xc0\xaf\xed\xa0\x80") == "\\xff\\xc0\\xaf\\xed\\xa0\\x80");
    CHECK(harmless("\xe2\x82") == "\\xe2\\x82");
    CHECK(harmless("a\xe2\x80\x8f"
                   "b") == "a\\u200fb");
}

TEST_CASE("colours follow the flag and then the environment") {
    const auto colour = [](const char* ansi, std::map<std::string, std::string> environment) {
        return probe_terminal(ansi, environment)->out_colour;
    };
    CHECK(colour("always", {{"NO_COLOR", "1"}}));
    CHECK(!colour("never", {}));
    CHECK(!colour("auto", {{"NO_COLOR", "1"}}));
    CHECK(probe_terminal("sometimes", {}).error().help() == "use never, auto or always");
}

TEST_CASE("an error shows its place and its cure") {
    const auto file = std::make_shared<SourceFile>();
    file->path = "compose.yaml";
    file->text = "services:\n  web:\n    image: nginx:9\n";
    SourcePos pos;
    pos.file = file;
    pos.line = 3;
    pos.column = 12;
    pos.length = 7;
    const Error error = Error(ErrorKind::NotFound, "no image 'nginx:9'")
                            .doing("create container '{}'", "web-1")
                            .at(pos)
                            .help("load it with 'davit load -i FILE'");
    CHECK(render(error, false) ==
          "compose.yaml:3:12: error: create container 'web-1': no image 'nginx:9'\n"
          "    3 |     image: nginx:9\n"
          "      |            ^~~~~~~\n"
          "  help: load it with 'davit load -i FILE'\n");
    CHECK(render(error, true) ==
          "\x1b[1mcompose.yaml:3:12: \x1b[0m\x1b[1;31merror: \x1b[0mcreate container 'web-1': "
          "no image 'nginx:9'\n"
          "    3 |     image: nginx:9\n"
          "      | \x1b[32m           ^~~~~~~\x1b[0m\n"
          "\x1b[36m  help: \x1b[0mload it with 'davit load -i FILE'\n");
    CHECK(render(Error(ErrorKind::System, "bad \x1b[2J"), false) == "error: bad \\x1b[2J\n");
}

TEST_CASE("remarks of a file that is not needed are only warnings") {
    Diagnostics diagnostics;
    diagnostics.error("no such key", {}, "leave it out");
    CHECK(render(diagnostics, Severity::Error, false) ==
          "error: no such key\n  help: leave it out\n");
    CHECK(render(diagnostics, Severity::Warning, false) ==
          "warning: no such key\n  help: leave it out\n");
}

TEST_CASE("a step that failed stands at the place that asked for it") {
    compose::Step step;
    step.kind = compose::StepKind::StartContainer;
    step.resource = {compose::ResourceKind::Container, "web-1"};
    step.place = "compose.yaml:3:5";
    const stack::FailedStep failed{step, Error(ErrorKind::System, "start container 'web-1': no")};
    CHECK(render(failed, false) ==
          "compose.yaml:3:5: error: start container 'web-1': no\n"
          "  help: see 'davit inspect web-1' and its logs\n");
}

TEST_CASE("progress is told in the words of docker compose") {
    struct Case {
        stack::StepEvent::Kind event;
        compose::StepKind kind;
        compose::ResourceKind resource;
        const char* expected;
    };
    using Event = stack::StepEvent::Kind;
    using compose::ResourceKind;
    using compose::StepKind;
    const Case cases[] = {
        {Event::Begun, StepKind::CreateNetwork, ResourceKind::Network, " Network x  Creating\n"},
        {Event::Done, StepKind::CreateVolume, ResourceKind::Volume, " Volume \"x\"  Created\n"},
        {Event::Done, StepKind::StartContainer, ResourceKind::Container, " Container x  Started\n"},
        {Event::Begun, StepKind::StopContainer, ResourceKind::Container,
         " Container x  Stopping\n"},
        {Event::Done, StepKind::RemoveContainer, ResourceKind::Container,
         " Container x  Removed\n"},
        {Event::Failed, StepKind::RemoveNetwork, ResourceKind::Network, " Network x  Error\n"},
        {Event::Skipped, StepKind::StartContainer, ResourceKind::Container, ""},
    };
    for (const Case& c : cases) {
        CAPTURE(c.expected);
        compose::Step step;
        step.kind = c.kind;
        step.resource = {c.resource, "x"};
        CHECK(progress_line({c.event, &step, nullptr}, false) == c.expected);
    }
}

TEST_CASE("columns are laid out as docker lays them out") {
    CHECK(render_table({{"NAME", "STATUS"}, {"shop-web-1", "Up"}, {"ä\x1b", "Created"}}) ==
          "NAME         STATUS\n"
          "shop-web-1   Up\n"
          "ä\\x1b        Created\n");
    CHECK(render_table({{"A", "B"}}) == "A         B\n");
}
