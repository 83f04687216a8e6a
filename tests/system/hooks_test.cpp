#include "base/file.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/text.h"

#include <doctest/doctest.h>
#include <string>
#include <sys/stat.h>

// What runs at the turns of a container's life: pre_start, post_start, pre_stop.
using namespace davit;
using davit::testing::contains;
using davit::testing::Outcome;
using davit::testing::Sandbox;

namespace {

constexpr const char* kService =
    "services:\n  a:\n    image: local/busybox:1\n    command: sleep 1000\n"
    "    stop_signal: SIGKILL\n    user: app\n    environment: {A: of-service}\n"
    "    volumes: [\"./out:/out\"]\n";

std::string written(const Sandbox& box) {
    const Result<std::string> text = read_file(box.folder() + "/out/log");
    return text ? *text : std::string();
}

void prepare(const Sandbox& box) {
    box.load_busybox();
    REQUIRE(make_directories(box.folder() + "/out", 0777).ok());
    REQUIRE(::chmod((box.folder() + "/out").c_str(), 0777) == 0);
    box.write("out/log", "");
    REQUIRE(::chmod((box.folder() + "/out/log").c_str(), 0666) == 0);
}

}  // namespace

TEST_CASE("hooks run as the user and in the folder and with the variables that they name") {
    const Sandbox box("dt-hooks");
    prepare(box);
    box.compose(std::string(kService) +
                "    post_start:\n"
                "      - {command: [sh, -c, \"echo start $$(id -u) $$PWD $$A $$B >> /out/log\"],\n"
                "         user: root, working_dir: /tmp, environment: [B=own]}\n"
                "      - command: sh -c 'echo second $$(id -u) >> /out/log'\n"
                "    pre_stop:\n"
                "      - {command: [sh, -c, \"echo stop $$A >> /out/log; mount -t tmpfs t /tmp && "
                "echo privileged >> /out/log\"], user: root, privileged: true}\n");
    box.davit_ok({"up", "-d"});
    CHECK(written(box) == "start 0 /tmp of-service own\nsecond 1000\n");
    box.davit_ok({"up", "-d"});
    CHECK(written(box) == "start 0 /tmp of-service own\nsecond 1000\n");
    box.write("out/log", "");
    box.davit_ok({"restart"});
    CHECK(written(box) ==
          "stop of-service\nprivileged\nstart 0 /tmp of-service own\nsecond 1000\n");
    box.write("out/log", "");
    box.davit_ok({"kill"});
    CHECK(written(box).empty());
    box.davit_ok({"start"});
    box.write("out/log", "");
    // Also without the file: what was made knows how it is to end.
    box.davit_ok({"-p", "dt-hooks", "down"});
    CHECK(written(box) == "stop of-service\nprivileged\n");
}

TEST_CASE("a hook that fails is told with its status and its last line") {
    const Sandbox box("dt-hookfail");
    prepare(box);
    box.compose(std::string(kService) +
                "    post_start: [{command: [sh, -c, \"echo one; echo no luck >&2; exit 3\"]}]\n");
    const Outcome up = box.davit({"up", "-d"});
    CHECK(up.status == 1);
    CHECK(contains(up.err, "its post_start hook"));
    CHECK(contains(up.err, "exited with status 3: no luck"));
    // As with Docker Compose, the container goes on.
    CHECK(contains(box.davit_ok({"ps"}), "dt-hookfail-a-1"));
    box.davit_ok({"down"});

    box.compose(std::string(kService) + "    pre_stop: [{command: [\"false\"]}]\n");
    box.davit_ok({"up", "-d"});
    const Outcome down = box.davit({"down"});
    CHECK(down.status == 1);
    CHECK(contains(down.err, "its pre_stop hook 'false' exited with status 1"));
    CHECK(contains(box.davit_ok({"ps"}), "dt-hookfail-a-1"));
    box.davit_ok({"kill"});
    box.davit_ok({"down"});
}

TEST_CASE("what is to run before a service runs to its end, once for each of its configurations") {
    const Sandbox box("dt-prestart");
    prepare(box);
    const std::string hooks =
        "    pre_start:\n"
        "      - {command: [sh, -c, \"echo first $$(id -u) $$A >> /out/log\"], user: root}\n"
        "      - {command: [sh, -c, \"echo second $$B >> /out/log\"], environment: {B: own}}\n";
    box.compose(kService + hooks + "    scale: 2\n");
    box.davit_ok({"up", "-d"});
    CHECK(written(box) == "first 0 of-service\nsecond own\n");
    const std::string running = box.davit_ok({"ps", "-q"});
    CHECK(split(running, '\n').size() == 3);  // two, and what is behind the last line break
    box.davit_ok({"up", "-d"});
    box.davit_ok({"stop"});
    box.davit_ok({"up", "-d"});
    CHECK(written(box) == "first 0 of-service\nsecond own\n");
    box.compose(kService + hooks + "    labels: {changed: \"yes\"}\n");
    box.davit_ok({"up", "-d"});
    CHECK(written(box) == "first 0 of-service\nsecond own\nfirst 0 of-service\nsecond own\n");

    box.compose(std::string(kService) +
                "    pre_start: [{command: [sh, -c, \"echo bad; exit 4\"]}]\n");
    const Outcome failed = box.davit({"up", "-d"});
    CHECK(failed.status == 1);
    CHECK(contains(failed.err, "container dt-prestart-a-pre_start-1 exited (4)"));
    CHECK(contains(failed.err, "bad"));
    CHECK(box.davit_ok({"ps", "-q"}).empty());
}
