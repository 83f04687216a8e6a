#include "base/file.h"
#include "base/strings.h"
#include "tests/support/command.h"
#include "tests/support/sandbox.h"
#include "tests/support/text.h"
#include "tests/system/build_steps.h"

#include <algorithm>
#include <csignal>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

// Images from Dockerfiles, as users build them.
using namespace davit;
using davit::testing::build;
using davit::testing::contains;
using davit::testing::count;
using davit::testing::eventually;
using davit::testing::in_image;
using davit::testing::Outcome;
using davit::testing::Sandbox;

TEST_CASE("an image is built, listed, run, and built again without a step") {
    const Sandbox box("dt-build");
    box.load_busybox();
    const std::string before = box.world();
    box.write("Dockerfile",
              "FROM local/busybox:1\nWORKDIR /www/html\nRUN echo \"my first image\" > index.html\n"
              "CMD [\"httpd\", \"-f\", \"-p\", \"80\"]\n");
    const std::string first = build(box);
    CHECK(contains(first, "RUN echo \"my first image\" > index.html"));
    CHECK(!contains(first, "CACHED"));
    const std::string list = box.davit_ok({"images", "--no-trunc"});
    CHECK(contains(list, "local/built"));

    const std::string again = build(box);
    CHECK(count(again, "CACHED") == 2);
    CHECK(box.davit_ok({"images", "--no-trunc"}).substr(0, 200) == list.substr(0, 200));
    CHECK(box.world() == before);

    box.compose("services:\n  web:\n    image: local/built:1\n    ports: ['18080:80']\n");
    box.davit_ok({"up", "-d"});
    CHECK(eventually([] {
        return contains(davit::testing::http_get("127.0.0.1", 18080, "/"), "my first image");
    }));
    box.davit_ok({"down", "-t", "0"});
    CHECK(box.world() == before);
}

TEST_CASE("a changed file runs its step and those after it, and a new time alone runs none") {
    const Sandbox box("dt-build-cache");
    box.load_busybox();
    box.write("Dockerfile",
              "FROM local/busybox:1\nRUN echo early > /early\nCOPY a.txt /a\nRUN cat /a > /b\n");
    box.write("a.txt", "one");
    box.write("other.txt", "not copied");
    build(box);
    CHECK(::utimensat(AT_FDCWD, (box.folder() + "/a.txt").c_str(), nullptr, 0) == 0);
    box.write("other.txt", "changed");
    CHECK(count(build(box), "CACHED") == 3);
    box.write("a.txt", "two");
    CHECK(count(build(box), "CACHED") == 1);
    CHECK(in_image(box, "cat /b") == "two");
    CHECK(count(build(box, {"--no-cache"}), "CACHED") == 0);
}

TEST_CASE("stages give each other files, and one that nothing needs is not built") {
    const Sandbox box("dt-build-stages");
    box.load_busybox();
    box.write("Dockerfile",
              "ARG BASE=local/busybox:1\nFROM $BASE AS make\nARG WHO=nobody\n"
              "RUN mkdir /out && echo \"hello $WHO\" > /out/x && chown 7:8 /out/x && chmod 644 "
              "/out/x\n"
              "FROM $BASE AS never\nRUN false\n"
              "FROM $BASE AS last\nENV A=1 B=two\nENV A=2 C=$A\nRUN chmod 1777 /tmp\nUSER app\n"
              "COPY --from=make /out/ /in/\nCOPY --from=make --chown=app:extra --chmod=0600 /out/x "
              "/y\n"
              "COPY <<X /doc\nfor $B\nX\n"
              "LABEL who=$B\nEXPOSE 80\nRUN id -u > /tmp/id\n");
    const std::string said = build(box, {"--build-arg", "WHO=you", "--label", "more=1"});
    CHECK(!contains(said, "RUN false"));
    CHECK(in_image(box,
                   "cat /in/x /doc /tmp/id; echo $A $B $C; stat -c '%a %u %g %n' /in/x /y /doc") ==
          "hello you\nfor two\n1000\n2 two 1\n644 7 8 /in/x\n600 1000 50 /y\n644 0 0 /doc\n");
    const Outcome target = box.davit({"build", "--target", "nevr", "."});
    CHECK(target.status == 1);
    CHECK(contains(target.err, "has no stage 'nevr'"));
    CHECK(contains(target.err, "the nearest stage is 'never'"));
}

TEST_CASE("a step that fails says where, keeps what was done before, and leaves nothing running") {
    const Sandbox box("dt-build-fails");
    box.load_busybox();
    const std::string before = box.world();
    box.write("Dockerfile",
              "FROM local/busybox:1\nRUN echo fine > /fine\n"
              "RUN sleep 4711 & echo about to fail; exit 3\n");
    const Outcome failed = box.davit({"build", "-t", "local/built:1", "."});
    CHECK(failed.status == 1);
    CHECK(contains(failed.err, "about to fail"));
    CHECK(contains(failed.err, "Dockerfile:3:1: error: the command ended with exit code 3"));
    CHECK(!contains(box.davit_ok({"images"}), "local/built"));
    CHECK(contains(box.davit({"build", "."}).err, "CACHED"));
    CHECK(box.world() == before);
    box.write("Dockerfile", "FROM local/busybox:1\nRNU x\nCOPY a\n");
    const Outcome mistakes = box.davit({"build", "."});
    CHECK(mistakes.status == 1);
    CHECK(contains(mistakes.err, "Dockerfile:2:1: error: unknown instruction 'RNU'"));
    CHECK(contains(mistakes.err, "Dockerfile:3:6: error: COPY has no destination"));
    CHECK(box.world() == before);
}

TEST_CASE("links of a hostile context or image lead nowhere outside") {
    const Sandbox box("dt-build-hostile");
    box.load_busybox();
    const std::string outside = box.data_root() + "-outside";
    REQUIRE(make_directories(outside, 0755).ok());
    REQUIRE(write_in_place(outside + "/secret", "of the host", 0644).ok());
    REQUIRE(::symlink((outside + "/secret").c_str(), (box.folder() + "/link").c_str()) == 0);
    REQUIRE(::symlink(outside.c_str(), (box.folder() + "/folder").c_str()) == 0);
    REQUIRE(::mkfifo((box.folder() + "/fifo").c_str(), 0644) == 0);
    box.write("f", "mine");
    for (const char* source :
         {"link", "folder/secret", "../../../../../../etc/passwd", "/etc/passwd"}) {
        CAPTURE(source);
        box.write("Dockerfile", fmt::format("FROM local/busybox:1\nCOPY {} /x\n", source));
        const Outcome outcome = box.davit({"build", "."});
        CHECK(outcome.status == 1);
        CHECK(contains(outcome.err, "is not in the build context"));
    }
    // The image's folder is a link to the host's; and the archive brings one of its own.
    REQUIRE(davit::testing::run({.argv = {"sh", "-c",
                                          "mkdir t && ln -s " + outside +
                                              " t/l && tar cf a.tar -C t l && rm t/l && mkdir t/l "
                                              "&& echo evil > t/l/planted && tar rf a.tar -C t "
                                              "l/planted && rm -r t"},
                                 .folder = box.folder()})
                .status == 0);
    box.write("Dockerfile",
              fmt::format("FROM local/busybox:1\nRUN mkdir -p {0} && ln -s {0} /app && ln -s "
                          "../../../../..{0} /up\n"
                          "COPY f /app/one\nCOPY f /up/two\nADD a.tar /\nCOPY fifo /fifo\n"
                          "RUN ls {0}; test -p /fifo\n",
                          outside));
    const std::string said = build(box);
    CHECK(contains(said, "one"));
    CHECK(contains(said, "two"));
    const auto left = list_directory(outside);
    REQUIRE(left.ok());
    CHECK(*left == std::vector<std::string>{"secret"});
    CHECK(remove_tree(outside).ok());
}

TEST_CASE("mounts of a RUN: caches stay, secrets and stubs don't, binds are thrown away") {
    const Sandbox box("dt-build-mounts");
    box.load_busybox();
    box.write("src.txt", "bound");
    box.write("token", "hush");
    box.write(".dockerignore", "token\n");
    box.write("Dockerfile",
              "FROM local/busybox:1\n"
              "RUN --mount=type=cache,target=/deep/cache echo x >> /deep/cache/log\n"
              "RUN --mount=type=cache,target=/deep/cache --mount=type=secret,id=token,required "
              "--mount=target=/ctx,rw --mount=type=tmpfs,target=/scratch "
              "wc -l < /deep/cache/log > /lines; cat /run/secrets/token > /dev/null && ls /ctx > "
              "/seen; echo y > /ctx/new; echo z > /scratch/z\n");
    const Outcome without = box.davit({"build", "."});
    CHECK(without.status == 1);
    CHECK(contains(without.err, "the secret 'token' is not given"));
    build(box, {"--secret", "id=token,src=token"});
    CHECK(in_image(box, "cat /lines /seen; ls -d /deep /ctx /scratch /run 2>/dev/null; true") ==
          "1\nDockerfile\nsrc.txt\n");
    CHECK(!exists(box.folder() + "/new"));
    build(box, {"--no-cache", "--secret", "id=token,src=token"});
    CHECK(in_image(box, "cat /lines") == "2\n");
}

TEST_CASE("a build that was killed leaves nothing that the next one doesn't take away") {
    const Sandbox box("dt-build-killed");
    box.load_busybox();
    const std::string before = box.world();
    box.write("Dockerfile", "FROM local/busybox:1\nRUN echo one\nRUN echo running; sleep 4712\n");
    const std::string log = box.folder() + "/log";
    {
        davit::testing::Background davit(box.davit_command({"build", "."}), log);
        CHECK(eventually([&] {
            const auto text = read_file(log);
            return text && contains(*text, " running\n");
        }));
        davit.signal(SIGKILL);
        davit.wait();
    }
    box.write("Dockerfile", "FROM local/busybox:1\nRUN echo one\n");
    CHECK(contains(build(box), "CACHED") == true);
    box.write("Dockerfile", "FROM local/busybox:1\nRUN echo other\n");
    build(box);
    CHECK(box.world() == before);
    CHECK(!contains(davit::testing::run({.argv = {"ps", "ax"}}).out, "sleep 4712"));
}

TEST_CASE("with SOURCE_DATE_EPOCH the same build gives the same image") {
    const Sandbox one("dt-build-epoch-one");
    const Sandbox two("dt-build-epoch-two");
    std::string ids[2];
    int at = 0;
    for (const Sandbox* box : {&one, &two}) {
        box->write("f", "content");
        CHECK(::chmod((box->folder() + "/f").c_str(), 0644) == 0);
        box->write("Dockerfile", "FROM scratch\nCOPY f /a/b/c\nWORKDIR /w\nENV A=1\n");
        davit::testing::Command command = box->davit_command({"build", "-q", "."});
        command.environment.emplace_back("SOURCE_DATE_EPOCH=1700000000");
        const Outcome outcome = davit::testing::run(command);
        REQUIRE_MESSAGE(outcome.status == 0, outcome.err);
        ids[at++] = outcome.out;
    }
    CHECK(ids[0].starts_with("sha256:"));
    CHECK(ids[0] == ids[1]);
}

TEST_CASE("up builds what is missing before anything else, and what changed where it is asked to") {
    const Sandbox box("dt-build-up");
    box.load_busybox();
    const std::string before = box.world();
    box.write("Dockerfile",
              "FROM local/busybox:1 AS one\nARG WHO=nobody\nRUN echo $WHO > /who\n"
              "FROM one AS two\nRUN false\n");
    box.write("token", "hush");
    box.compose(R"(
services:
  a:
    build: {context: ., target: one, args: {WHO: you}, labels: {l: "1"}, tags: [local/more:2]}
    command: sleep 1000
    depends_on: [b]
  b:
    image: local/b:1
    command: sleep 1000
    build:
      dockerfile_inline: |
        FROM base
        COPY --from=plain a.txt /a.txt
        RUN --mount=type=secret,id=token,required cat /run/secrets/token > /hushed
      additional_contexts: {base: "service:a", plain: ./more}
      secrets: [token]
secrets: {token: {file: ./token}}
)");
    REQUIRE(make_directories(box.folder() + "/more", 0755).ok());
    box.write("more/a.txt", "of the context\n");
    const Outcome refused = box.davit({"up", "-d", "--no-build"});
    CHECK(refused.status == 1);
    CHECK(contains(refused.err, "has not been built"));
    CHECK(box.world() == before);

    const Outcome up = box.davit({"up", "-d"});
    REQUIRE_MESSAGE(up.status == 0, up.err);
    CHECK(contains(up.err, "Image dt-build-up-a  Built"));
    CHECK(box.davit_ok({"exec", "a", "cat", "/who"}) == "you\n");
    CHECK(box.davit_ok({"exec", "b", "cat", "/who", "/a.txt", "/hushed"}) ==
          "you\nof the context\nhush");
    CHECK(contains(box.davit_ok({"images"}), "local/more"));
    CHECK(contains(box.inspect("dt-build-up-a-1", "{{json .Config.Labels}}"), "\"l\":\"1\""));

    // Built again without a step, nothing is made anew; with a change, its container is.
    const std::string id = box.inspect("dt-build-up-a-1", "{{.Id}}");
    CHECK(!contains(box.davit({"up", "-d"}).err, "CACHED"));
    const std::string again = box.davit({"up", "-d", "--build"}).err;
    CHECK(contains(again, "CACHED"));
    CHECK(box.inspect("dt-build-up-a-1", "{{.Id}}") == id);
    box.write("Dockerfile", "FROM local/busybox:1 AS one\nRUN echo other > /who\n");
    box.davit_ok({"build", "--build-arg", "NOBODY=1", "a"});
    box.davit_ok({"up", "-d"});
    CHECK(box.inspect("dt-build-up-a-1", "{{.Id}}") != id);
    CHECK(box.davit_ok({"exec", "a", "cat", "/who"}) == "other\n");

    box.write("Dockerfile", "FROM local/busybox:1 AS one\nRUN exit 5\n");
    const Outcome broken = box.davit({"up", "-d", "--build"});
    CHECK(broken.status == 1);
    CHECK(contains(broken.err, "build service 'a': the command ended with exit code 5"));
    CHECK(box.davit_ok({"exec", "a", "cat", "/who"}) == "other\n");  // it goes on
    box.davit_ok({"down", "-t", "0"});
    CHECK(box.world() == before);
}
