#include "base/file.h"
#include "base/strings.h"
#include "tests/system/fault.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>
#include <set>

// `--dry-run` of every command: it says what would be done, and changes nothing (L12).
using namespace davit;
using namespace davit::testing;

namespace {

using Words = std::vector<std::string>;

/// Words with which a command would change something, and what it then says.
struct Case {
    Words words = {};
    std::string says = {};
};

/// Every command that changes something. A new one has to be put here, or among those that don't.
const std::map<std::string, std::vector<Case>>& changing() {
    static const std::map<std::string, std::vector<Case>> cases = {
        {"attach", {{{"web"}, "attach   container"}}},
        {"build", {{{}, "build    image       dt-dry-built"}, {{"-t", "x:1", "built"}, "x:1"}}},
        {"builder build", {{{}, "build    image       dt-dry-built"}}},
        {"builder prune", {{{"-a"}, ""}}},
        {"commit", {{{"web", "new:1"}, "create   image       new:1"}}},
        {"cp",
         {{{"compose.yaml", "web:/tmp/x"}, "dt-dry-web-1:/tmp/x"},
          {{"web:/etc/passwd", "./passwd"}, "copy     files       ./passwd"}}},
        {"config", {{{"-o", "out.yaml"}, "write    file        out.yaml"}}},
        {"convert", {{{"-o", "out.yaml"}, "write    file        out.yaml"}}},
        {"create", {{{"--force-recreate"}, "remove   container   dt-dry-web-1"}}},
        {"data root move", {{{"elsewhere"}, "move     data root"}}},
        {"disable", {{{}, "Nothing to change"}}},
        {"down", {{{"-v", "--rmi", "all"}, "remove   image       local/busybox:1"}}},
        {"enable", {{{}, "enable   unit        davit@dt-dry.service"}}},
        {"exec", {{{"-T", "web", "touch", "/tmp/x"}, "touch /tmp/x"}}},
        {"export", {{{"-o", "out.tar", "web"}, "write    archive     out.tar"}}},
        {"image check", {{{"--repair"}, "all as they should be"}}},
        {"image import", {{{"in.tar", "new:1"}, "create   image       new:1"}}},
        {"image load", {{{"-i", "in.tar"}, "load     archive     in.tar"}}},
        {"image prune", {{{"-a"}, "remove   image       docker.io/local/spare:1"}}},
        {"image pull", {{{"local/none:1"}, "pull     image       local/none:1"}}},
        {"image push", {{{"local/busybox:1"}, "push     image       local/busybox:1"}}},
        {"image rm", {{{"local/spare:1"}, "untag    image       local/spare:1"}}},
        {"image save", {{{"-o", "out.tar", "local/busybox:1"}, "write    archive     out.tar"}}},
        {"image tag", {{{"local/busybox:1", "new:1"}, "new:1"}}},
        {"import", {{{"in.tar", "new:1"}, "create   image       new:1"}}},
        {"kill", {{{}, "kill     container   dt-dry-web-1"}}},
        {"load", {{{"-i", "in.tar"}, "load     archive     in.tar"}}},
        {"login", {{{"-u", "me", "-p", "x", "127.0.0.1:1"}, "127.0.0.1:1"}}},
        {"logout", {{{"127.0.0.1:1"}, "forget   login       127.0.0.1:1"}}},
        {"network create", {{{"dt-dry-new"}, "create   network     dt-dry-new"}}},
        {"network prune", {{{}, "remove   network     dt-dry-spare"}}},
        {"network reload", {{{}, "rules"}}},
        {"network rm", {{{"dt-dry-spare"}, "remove   network     dt-dry-spare"}}},
        {"pause", {{{}, "pause    container   dt-dry-web-1"}}},
        {"plan", {{{"--out", "plan.json", "--force-recreate"}, "dt-dry-web-1"}}},
        {"pull", {{{}, "pull     image       local/busybox:1"}}},
        {"push", {{{"built"}, "push     image       local/built:1"}}},
        {"restart", {{{}, "start    container   dt-dry-web-1"}}},
        {"rm", {{{"-s"}, "remove   container   dt-dry-web-1"}}},
        {"rmi", {{{"local/spare:1"}, "remove   image"}}},
        {"run",
         {{{"--rm", "-T", "web", "true"}, "create   container"},
          {{"-d", "local/busybox:1", "true"}, "create   container"}}},
        {"save", {{{"-o", "out.tar", "local/busybox:1"}, "write    archive     out.tar"}}},
        {"scale", {{{"db=3"}, "create   container   dt-dry-db-3"}}},
        {"start", {{{}, "start    container   dt-dry-idle-1"}}},
        {"stop", {{{}, "stop     container   dt-dry-web-1"}}},
        {"system prune", {{{"-a", "--volumes"}, "remove   container   dt-dry-idle-1"}}},
        {"system reexec", {{{}, "renew    guard       dt-dry-web-1"}}},
        {"tag", {{{"local/busybox:1", "new:1"}, "name     image       new:1"}}},
        {"unpause", {{{}, "unpause   container   dt-dry-web-1"}}},
        {"up",
         {{{"-d", "--force-recreate"}, "create   container   dt-dry-web-1"},
          {{"-d", "--build", "--pull", "always"}, "pull     image       local/busybox:1"}}},
        {"watch", {{{}, "watch    files"}}},
        {"volume create", {{{"dt-dry-new"}, "create   volume      dt-dry-new"}}},
        {"volume prune", {{{"-a"}, "remove   volume      dt-dry-spare"}}},
        {"volume rm", {{{"dt-dry-spare"}, "remove   volume      dt-dry-spare"}}},
    };
    return cases;
}

/// Those that only show something, or wait for it.
const std::set<std::string>& reading() {
    static const std::set<std::string> names = {"completion",
                                                "doctor",
                                                "events",
                                                "history",
                                                "image history",
                                                "image inspect",
                                                "image ls",
                                                "images",
                                                "inspect",
                                                "logs",
                                                "ls",
                                                "network ls",
                                                "port",
                                                "network inspect",
                                                "ps",
                                                "stats",
                                                "system df",
                                                "top",
                                                "version",
                                                "volume inspect",
                                                "volume ls",
                                                "volumes",
                                                "wait"};
    return names;
}

/// The commands that davit has, by the manual's pages: one for each of them.
std::set<std::string> commands(const Sandbox& box) {
    const std::string folder = box.folder() + "/manual";
    box.davit_ok({"manual", folder});
    std::set<std::string> pages;
    const auto files = list_directory(folder);
    REQUIRE(files.ok());
    for (const std::string& file : *files) {
        REQUIRE(file.ends_with(".1"));
        std::string name = file.substr(0, file.size() - 2);
        if (name == "davit") continue;
        name.erase(0, std::string("davit-").size());
        std::replace(name.begin(), name.end(), '-', ' ');
        pages.insert(name);
    }
    REQUIRE(run({.argv = {"rm", "-r", folder}}).status == 0);
    // "volume" is no command of its own.
    std::set<std::string> leaves = pages;
    for (const std::string& page : pages)
        for (std::size_t blank = page.find(' '); blank != std::string::npos;
             blank = page.find(' ', blank + 1))
            leaves.erase(page.substr(0, blank));
    return leaves;
}

/// Everything that a command could have changed, with times, but those of reading.
std::string everything(const Sandbox& box) {
    const Outcome files = run({.argv = {"find", box.data_root(), box.folder(), box.run_root(),
                                        "-printf", "%p %y %m %U:%G %s %T@ %C@ %l\n"}});
    std::vector<std::string> lines = split(files.out, '\n');
    // Where work on images is put together; what is made there goes at once.
    std::erase_if(lines, [](const std::string& line) { return contains(line, "/images/tmp "); });
    std::sort(lines.begin(), lines.end());
    return fmt::format("{}{}", box.world(), fmt::join(lines, "\n"));
}

void set_up(const Sandbox& box) {
    box.load_busybox();
    REQUIRE(make_directories(box.folder() + "/built", 0755).ok());
    box.write("built/Dockerfile", "FROM local/busybox:1\nRUN true\n");
    box.compose(R"(
services:
  web: {image: local/busybox:1, command: sleep 1000, stop_signal: SIGKILL, depends_on: [db]}
  db: {image: local/busybox:1, command: sleep 1000, stop_signal: SIGKILL, volumes: ["data:/d"]}
  idle:
    image: local/busybox:1
    command: "true"
    develop: {watch: [{path: ./built, action: sync, target: /built}]}
  built: {build: built, profiles: [later], image: "local/built:1"}
  nameless: {build: built, profiles: [later], image: dt-dry-built}
volumes: {data: {}}
)");
    box.davit_ok({"up", "-d"});
    box.davit_ok({"commit", "web", "local/spare:1"});
    box.davit_ok({"volume", "create", "dt-dry-spare"});
    box.davit_ok({"network", "create", "dt-dry-spare"});
    CHECK(
        eventually([&] { return box.inspect("dt-dry-idle-1", "{{.State.Status}}") == "exited"; }));
}

}  // namespace

TEST_CASE("a dry run of any command says what it would do and changes nothing (L12)") {
    const Sandbox box("dt-dry");
    set_up(box);
    const std::set<std::string> known = commands(box);
    REQUIRE(known.size() > 60);
    for (const std::string& name : known) {
        CAPTURE(name);
        CHECK(changing().contains(name) != reading().contains(name));
    }
    const std::string before = everything(box);
    for (const auto& [name, cases] : changing()) {
        CHECK(known.contains(name));
        for (const Case& one : cases) {
            Words words = {"--dry-run", "--profile", "later"};
            // The one command with a dash in its name.
            const std::string typed =
                name.starts_with("data root ") ? "data-root " + name.substr(10) : name;
            for (const std::string& word : split(typed, ' ')) words.push_back(word);
            words.insert(words.end(), one.words.begin(), one.words.end());
            CAPTURE(fmt::format("{}", fmt::join(words, " ")));
            const Outcome outcome = bounded(box, words);
            CHECK_MESSAGE(outcome.status == 0, outcome.err);
            CHECK_MESSAGE(contains(outcome.out, one.says), outcome.out);
            REQUIRE(everything(box) == before);
        }
    }
    box.davit_ok({"down", "-v"});
    box.davit_ok({"network", "rm", "dt-dry-spare"});
}

TEST_CASE("a dry run where nothing is yet makes not even a folder (L12)") {
    const Sandbox box("dt-drynew");
    box.compose("services: {a: {image: local/none:1, command: sleep 1}}\n");
    const std::string before = everything(box);
    for (const Words& words :
         {Words{"up", "-d"}, Words{"pull"}, Words{"run", "--rm", "-T", "a", "true"}, Words{"down"},
          Words{"build"}, Words{"volume", "create", "x1"}, Words{"network", "create", "x1"},
          Words{"image", "prune"}, Words{"system", "prune"}, Words{"builder", "prune"}}) {
        CAPTURE(fmt::format("{}", fmt::join(words, " ")));
        Words dry = {"--dry-run"};
        dry.insert(dry.end(), words.begin(), words.end());
        const Outcome outcome = bounded(box, dry);
        CHECK_MESSAGE(outcome.status == 0, outcome.err);
        CHECK(everything(box) == before);
        CHECK(!exists(box.data_root()));
    }
    // It would be pulled, and that is said.
    CHECK(contains(box.davit_ok({"up", "-d", "--dry-run"}), "pull     image       local/none:1"));
    CHECK(contains(box.davit_ok({"plan", "--format", "json"}), "\"action\": \"pull\""));
}
