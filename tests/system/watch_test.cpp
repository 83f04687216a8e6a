#include "base/file.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/text.h"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>
#include <sys/stat.h>

// `davit watch`, as somebody at an editor sees it.
using namespace davit;
using davit::testing::Background;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::Outcome;
using davit::testing::run;
using davit::testing::Sandbox;

namespace {

/// What a file in the container of `service` has; empty where it isn't there.
std::string inside(const Sandbox& box, const std::string& service, const std::string& path) {
    return box.davit({"exec", "-T", service, "cat", path}).out;
}

void make_folder(const Sandbox& box, const std::string& name) {
    REQUIRE(make_directories(box.folder() + "/" + name, 0755).ok());
}

}  // namespace

TEST_CASE("files that change are brought in taken away and left alone as the file says") {
    const Sandbox box("dt-watch");
    box.load_busybox();
    make_folder(box, "src/old");
    box.write("src/page", "one\n");
    box.write("src/old/gone", "x\n");
    box.write("src/old/first.log", "left out\n");
    box.write("src/hook", "g\n");
    box.write("settings", "a\n");
    box.compose(R"(
services:
  web:
    image: local/busybox:1
    command: sh -c 'date +%s%N > /started; sleep 1000'
    stop_signal: SIGKILL
    develop:
      watch:
        - {path: ./src, action: sync, target: /srv/app, ignore: ["**/*.log"], initial_sync: true}
        - {path: ./settings, action: sync+restart, target: /etc/settings}
        - {path: ./src/hook, action: sync+exec, target: /srv/hook,
           exec: {command: "sh -c 'echo ran >> /hooks'"}}
)");
    Background watch(box.davit_command({"watch"}), box.folder() + "/said");
    const auto eventually_inside = [&](const std::string& path, const std::string& text) {
        return eventually([&] { return inside(box, "web", path) == text; });
    };
    CHECK(eventually_inside("/srv/app/page", "one\n"));
    CHECK(
        eventually([&] { return contains(*read_file(box.folder() + "/said"), "Watch enabled"); }));
    box.write("src/page", "two\n");
    CHECK(eventually_inside("/srv/app/page", "two\n"));
    // Folders that are new, with what is in them; and what is gone goes.
    make_folder(box, "src/new/deep");
    box.write("src/new/deep/file", "deep\n");
    box.write("src/noise.log", "noise\n");
    CHECK(eventually_inside("/srv/app/old/gone", "x\n"));
    CHECK(inside(box, "web", "/srv/app/old/first.log").empty());
    REQUIRE(run({.argv = {"rm", "-r", box.folder() + "/src/old"}}).status == 0);
    CHECK(eventually_inside("/srv/app/new/deep/file", "deep\n"));
    CHECK(eventually_inside("/srv/app/old/gone", ""));
    CHECK(inside(box, "web", "/srv/app/noise.log").empty());
    // One that is moved in brings nothing along that the rule leaves out.
    make_folder(box, "outside");
    box.write("outside/file", "moved\n");
    box.write("outside/other.log", "left out\n");
    REQUIRE(::rename((box.folder() + "/outside").c_str(), (box.folder() + "/src/moved").c_str()) ==
            0);
    CHECK(eventually_inside("/srv/app/moved/file", "moved\n"));
    CHECK(inside(box, "web", "/srv/app/moved/other.log").empty());
    // An editor that writes another file and renames it.
    box.write("settings.tmp", "b\n");
    const std::string started = inside(box, "web", "/started");
    REQUIRE(::rename((box.folder() + "/settings.tmp").c_str(),
                     (box.folder() + "/settings").c_str()) == 0);
    CHECK(eventually([&] {
        const std::string now = inside(box, "web", "/started");
        return !now.empty() && now != started;
    }));
    CHECK(eventually_inside("/etc/settings", "b\n"));
    box.write("src/hook", "h\n");
    CHECK(eventually_inside("/hooks", "ran\n"));
    watch.signal(SIGINT);
    CHECK(watch.wait() == 130);
    CHECK(contains(*read_file(box.folder() + "/said"), "Syncing service \"web\" after"));
    box.davit_ok({"down"});
}

TEST_CASE("a change of what an image is made of builds it and makes the container anew") {
    const Sandbox box("dt-rebuild");
    box.load_busybox();
    make_folder(box, "app");
    box.write("app/Dockerfile", "FROM local/busybox:1\nCOPY word /word\n");
    box.write("app/.dockerignore", "notes\n");
    box.write("app/word", "one\n");
    box.compose(R"(
services:
  web:
    build: app
    command: sleep 1000
    stop_signal: SIGKILL
    develop: {watch: [{path: app, action: rebuild}]}
)");
    Background watch(box.davit_command({"watch"}), box.folder() + "/said");
    CHECK(eventually([&] { return inside(box, "web", "/word") == "one\n"; }));
    CHECK(
        eventually([&] { return contains(*read_file(box.folder() + "/said"), "Watch enabled"); }));
    const std::string id = box.inspect("dt-rebuild-web-1", "{{.Id}}");
    box.write("app/notes", "nobody's\n");
    box.write("app/word", "two\n");
    CHECK(eventually([&] { return inside(box, "web", "/word") == "two\n"; }));
    CHECK(box.inspect("dt-rebuild-web-1", "{{.Id}}") != id);
    watch.signal(SIGINT);
    CHECK(watch.wait() == 130);
    box.davit_ok({"down", "--rmi", "all"});
    box.compose("services: {web: {image: local/busybox:1}}\n");
    const Outcome nothing = box.davit({"watch"});
    CHECK(nothing.status == 1);
    CHECK(contains(nothing.err, "none of the services has something to be watched"));
}

TEST_CASE("up --watch shows the logs of what is synced restarted and rebuilt meanwhile") {
    const Sandbox box("dt-upwatch");
    box.load_busybox();
    make_folder(box, "src");
    make_folder(box, "app");
    box.write("src/page", "one\n");
    box.write("settings", "a\n");
    box.write("app/Dockerfile", "FROM local/busybox:1\nCOPY word /word\n");
    box.write("app/word", "first\n");
    box.compose(R"(
services:
  web:
    build: app
    command: sh -c 'echo word is $$(cat /word), settings $$(cat /settings); exec sleep 1000'
    stop_signal: SIGKILL
    develop:
      watch:
        - {path: ./src, action: sync, target: /srv}
        - {path: ./settings, action: sync+restart, target: /settings}
        - {path: ./app/word, action: rebuild}
  other:
    image: local/busybox:1
    command: sleep 1000
    stop_signal: SIGKILL
)");
    const Outcome nothing = box.davit({"up", "--watch", "other"});
    CHECK(nothing.status == 1);
    CHECK(contains(nothing.err, "none of the services has something to be watched"));
    CHECK(contains(box.davit({"up", "-d", "-w"}).err, "--detach and --watch are incompatible"));
    CHECK(box.davit_ok({"ps", "-aq"}).empty());

    const std::string said = box.folder() + "/said";
    const auto says = [&](const std::string& words) {
        return eventually([&] { return contains(*read_file(said), words); });
    };
    const auto watchers = [] {
        int count = 0;
        for (const std::string& line : split(run({.argv = {"ps", "-eo", "args"}}).out, '\n'))
            if (contains(line, "dt-upwatch") && contains(line, " watch --no-up")) ++count;
        return count;
    };
    // One service alone: when it is restarted, nothing runs for a moment.
    Background up(
        box.davit_command({"-p", "dt-upwatch", "up", "--watch", "--scale", "web=2", "web"}), said);
    CHECK(says("word is first"));
    CHECK(says("Watch enabled"));
    CHECK(watchers() == 1);
    box.write("src/page", "two\n");
    CHECK(eventually([&] { return inside(box, "web", "/srv/page") == "two\n"; }));
    CHECK(says("Syncing service \"web\" after"));
    // Nothing is lost where one look at the logs ends and the next begins, and nothing comes twice.
    for (const std::string name : {"b", "d", "e", "f"}) {
        CAPTURE(name);
        // At once, as editors do it: else it may be seen half written, and twice.
        box.write("settings.new", name + "\n");
        REQUIRE(::rename((box.folder() + "/settings.new").c_str(),
                         (box.folder() + "/settings").c_str()) == 0);
        const std::string line = "  | word is first, settings " + name;
        CHECK(says("web-1" + line));
        CHECK(says("web-2" + line));
    }
    box.write("app/word", "second\n");
    CHECK(says("web-1  | word is second"));
    CHECK(says("web-2  | word is second"));
    CHECK(watchers() == 1);
    box.write("settings", "c\n");
    CHECK(says("word is second, settings c"));
    up.signal(SIGINT);
    CHECK(up.wait() == 130);
    CHECK(watchers() == 0);
    std::map<std::string, int> times;
    for (const std::string& line : split(*read_file(said), '\n'))
        if (contains(line, "| word is ")) ++times[line];
    for (const auto& [line, count] : times) CHECK_MESSAGE(count == 1, line);
    CHECK(box.davit_ok({"ps", "-q"}).empty());
    box.davit_ok({"down"});
}
