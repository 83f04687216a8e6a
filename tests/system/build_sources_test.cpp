#include "base/digest.h"
#include "base/file.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/text.h"
#include "tests/system/build_steps.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <string>
#include <unistd.h>

// What builds take from elsewhere: servers, repositories, SSH agents.
using namespace davit;
using davit::testing::Background;
using davit::testing::build;
using davit::testing::contains;
using davit::testing::count;
using davit::testing::eventually;
using davit::testing::file_text;
using davit::testing::in_image;
using davit::testing::Outcome;
using davit::testing::run;
using davit::testing::Sandbox;
using davit::testing::sh;
using davit::testing::TempDir;

namespace {

/// Serves `folder` on 127.0.0.1:8099, with the dates of the files.
struct WebServer {
    explicit WebServer(const TempDir& folder)
        : log(folder.path() + ".log"),
          process({.argv = {"python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory",
                            folder.path(), "8099"}},
                  log) {
        REQUIRE(
            eventually([] { return !davit::testing::http_get("127.0.0.1", 8099, "/").empty(); }));
    }
    ~WebServer() { ::unlink(log.c_str()); }
    /// How often the file itself was sent.
    int sent(const std::string& name) const {
        return count(file_text(log), "GET /" + name + " HTTP/1.1\" 200");
    }

    std::string log;
    Background process;
};

/// Serves the repositories in `folder` on git://127.0.0.1.
struct GitServer {
    explicit GitServer(const TempDir& folder)
        // Not by git(1), which starts it as a child that would outlive it.
        : process({.argv = {program(), "--reuseaddr", "--export-all", "--listen=127.0.0.1",
                            "--base-path=" + folder.path()}},
                  "/dev/null") {
        REQUIRE(eventually([] {
            return run({.argv = {"git", "ls-remote", "git://127.0.0.1/repo.git"}}).status == 0;
        }));
    }
    static std::string program() {
        return std::string(trim(run({.argv = {"git", "--exec-path"}}).out)) + "/git-daemon";
    }
    Background process;
};

/// A repository with a tag, a branch, a hook, a link out of it and a submodule.
constexpr const char* kRepository = R"(
set -e
export HOME="$1" GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
cd "$1"
git init -q -b main part && cd part
echo of the part > p && git add . && git commit -qm part && cd ..
git clone -q --bare part part.git
git init -q -b main work && cd work
mkdir sub
printf 'FROM local/busybox:1\nCOPY . /in\n' > Dockerfile
printf 'FROM local/busybox:1\nCOPY x /sub-x\n' > sub/Dockerfile
echo old > sub/x; ln -s /etc/passwd Outside
git -c protocol.file.allow=always submodule -q add ../part.git part
git config -f .gitmodules submodule.part.url git://127.0.0.1/part.git
git add . && git commit -qm one && git tag v1
echo new > sub/x && git commit -qam two
cd .. && git clone -q --bare work repo.git
printf '#!/bin/sh\ntouch /tmp/davit-hook-ran\n' > repo.git/hooks/post-checkout
chmod 755 repo.git/hooks/post-checkout
)";

}  // namespace

TEST_CASE("ADD takes files of a server, and takes them again only when they have changed") {
    const Sandbox box("dt-build-url");
    box.load_busybox();
    const TempDir www;
    REQUIRE(write_in_place(www / "file.txt", "of the server\n", 0644).ok());
    REQUIRE(run({.argv = {"touch", "-d", "@1600000000", www / "file.txt"}}).status == 0);
    REQUIRE(run({.argv = sh("cd '" + www.path() + "' && mkdir d && echo packed > d/p && tar czf " +
                            "d.tgz d")})
                .status == 0);
    const WebServer server(www);
    const std::string digest = sha256_hex("of the server\n");
    box.write("Dockerfile", fmt::format("FROM local/busybox:1\n"
                                        "ADD http://127.0.0.1:8099/file.txt /in/\n"
                                        "ADD --chmod=644 --chown=5:6 --checksum=sha256:{} "
                                        "http://127.0.0.1:8099/file.txt /named\n"
                                        "ADD http://127.0.0.1:8099/d.tgz /as-it-is\n"
                                        "ADD --unpack=true http://127.0.0.1:8099/d.tgz /unpacked\n",
                                        digest));
    build(box);
    CHECK(in_image(box,
                   "stat -c '%a %u %g %Y %n' /in/file.txt /named; cat /in/file.txt /named "
                   "/unpacked/d/p; tar tzf /as-it-is") ==
          "600 0 0 1600000000 /in/file.txt\n644 5 6 1600000000 /named\n"
          "of the server\nof the server\npacked\nd/\nd/p\n");
    const int before = server.sent("file.txt");
    CHECK(count(build(box), "CACHED") == 4);
    CHECK(server.sent("file.txt") == before);  // it was asked, and had nothing new

    REQUIRE(write_in_place(www / "file.txt", "changed there\n", 0644).ok());
    const Outcome refused = box.davit({"build", "."});
    CHECK(refused.status == 1);
    CHECK(contains(refused.err, "Dockerfile:3:1: error:"));
    CHECK(contains(refused.err, "sha256:" + digest + " is expected"));
    box.write("Dockerfile", "FROM local/busybox:1\nADD http://127.0.0.1:8099/file.txt /in/\n");
    build(box);
    CHECK(in_image(box, "cat /in/file.txt") == "changed there\n");
    box.write("Dockerfile", "FROM scratch\nADD http://127.0.0.1:8099/none /x\n");
    const Outcome missing = box.davit({"build", "."});
    CHECK(missing.status == 1);
    CHECK(contains(missing.err, "the server answers 404"));
    box.write("Dockerfile", "FROM scratch\nADD --checksum=sha256:" + digest + " a.txt /x\n");
    CHECK(contains(box.davit({"build", "."}).err, "--checksum is for addresses alone"));
}

TEST_CASE(
    "contexts and ADD from repositories: branch, tag, folder and submodule, without hooks and links") {
    const Sandbox box("dt-build-git");
    box.load_busybox();
    const TempDir repositories;
    const auto made = run({.argv = {"sh", "-c", kRepository, "sh", repositories.path()}});
    REQUIRE_MESSAGE(made.status == 0, made.err);
    const GitServer server(repositories);
    const std::string url = "git://127.0.0.1/repo.git";
    const auto build_url = [&](const std::string& place) {
        return box.davit({"build", "-t", "local/built:1", place});
    };
    const Outcome whole = build_url(url);
    REQUIRE_MESSAGE(whole.status == 0, whole.err);
    CHECK(in_image(box, "cat /in/sub/x /in/part/p; ls -a /in | grep -c '^.git$' || true") ==
          "new\nof the part\n0\n");
    CHECK(!exists("/tmp/davit-hook-ran"));
    const Outcome part = build_url(url + "#v1:sub");
    REQUIRE_MESSAGE(part.status == 0, part.err);
    CHECK(in_image(box, "cat /sub-x") == "old\n");

    box.write("Dockerfile", "FROM local/busybox:1\nADD " + url + "#v1:sub /added\nADD " +
                                "--keep-git-dir=true " + url + " /kept\n");
    build(box);
    CHECK(in_image(box, "cat /added/x; ls -d /kept/.git") == "old\n/kept/.git\n");
    CHECK(count(build(box), "CACHED") == 2);

    box.compose(
        fmt::format("services:\n  a: {{build: '{}#main:sub', command: cat /sub-x}}\n", url));
    const Outcome up = box.davit({"up"});
    REQUIRE_MESSAGE(up.status == 0, up.err);
    CHECK(contains(up.out, "new"));
    box.davit_ok({"down", "-t", "0"});

    // Whoever wrote the repository may not read this host, nor give git orders.
    const Outcome outside = box.davit({"-f", "Outside", "build", "-t", "x:1", url});
    CHECK(outside.status == 1);
    CHECK_MESSAGE(!contains(outside.err, "root:x:"), outside.err);
    CHECK(contains(build_url(url + "#none").err, "has no branch or tag 'none'"));
    CHECK(contains(build_url(url + "#--upload-pack=touch").err, "is no branch, tag or commit"));
    CHECK(contains(build_url(url + "#main:none").err, "'none' is no folder of the context"));
}

TEST_CASE("a context is an archive behind an address or on standard input, or a Dockerfile alone") {
    const Sandbox box("dt-build-archive");
    box.load_busybox();
    const TempDir www;
    REQUIRE(
        run({.argv = sh("cd '" + www.path() + "' && printf 'FROM local/busybox:1\\nCOPY x /x\\n' " +
                        "> Dockerfile && echo packed > x && tar czf c.tgz Dockerfile x && " +
                        "printf 'FROM local/busybox:1\\nRUN echo alone > /x\\n' > Alone")})
            .status == 0);
    const WebServer server(www);
    box.davit_ok({"build", "-t", "local/built:1", "http://127.0.0.1:8099/c.tgz"});
    CHECK(in_image(box, "cat /x") == "packed\n");
    box.davit_ok({"build", "-t", "local/built:1", "http://127.0.0.1:8099/Alone"});
    CHECK(in_image(box, "cat /x") == "alone\n");
}

TEST_CASE("a RUN asks the SSH agent that it is given, and no other RUN can") {
    if (!exists("/usr/bin/ssh-agent")) SKIP_TEST("needs openssh-client");
    const Sandbox box("dt-build-ssh");
    box.load_busybox();
    const TempDir keys;
    const std::string socket = keys / "agent";
    Background agent({.argv = {"ssh-agent", "-D", "-a", socket}}, "/dev/null");
    REQUIRE(eventually([&] { return exists(socket); }));
    const Outcome added = run({.argv = sh("ssh-keygen -q -t ed25519 -N '' -C the-key -f '" +
                                          keys / "id" + "' && ssh-add -q '" + keys / "id" + "'"),
                               .environment = {"SSH_AUTH_SOCK=" + socket}});
    REQUIRE_MESSAGE(added.status == 0, added.err);
    // ssh-add(1) with its libraries is the client.
    const Outcome copied =
        run({.argv = sh("mkdir root && cp --parents -L /usr/bin/ssh-add $(ldd /usr/bin/ssh-add | "
                        "grep -o '/[^ ]*') root"),
             .folder = box.folder()});
    REQUIRE_MESSAGE(copied.status == 0, copied.err);
    box.write("Dockerfile",
              "FROM local/busybox:1\nCOPY root /\n"
              "RUN --mount=type=ssh,required ssh-add -l > /listed\n"
              "RUN --mount=type=ssh,uid=1000,target=/sock ls -ln /sock > /socket\n"
              "RUN ssh-add -l > /none 2>&1 || true; ls /run/buildkit >> /none 2>&1 || true\n");
    build(box, {"--ssh", "default=" + socket});
    CHECK(contains(in_image(box, "cat /listed"), "the-key (ED25519)"));
    CHECK(contains(in_image(box, "cat /socket"), "1000"));
    const std::string none = in_image(box, "cat /none; ls -d /run/buildkit /sock 2>&1 || true");
    CHECK(!contains(none, "the-key"));
    CHECK(contains(none, "/run/buildkit: No such file"));
    CHECK(contains(none, "/sock: No such file"));

    const Outcome without = box.davit({"build", "--no-cache", "."});
    CHECK(without.status == 1);
    CHECK(contains(without.err, "the SSH agent 'default' is not given"));

    // An agent of the build's own, with one key; it is gone afterwards.
    build(box, {"--no-cache", "--ssh", "default=" + keys / "id"});
    CHECK(contains(in_image(box, "cat /listed"), "the-key (ED25519)"));
    CHECK(!contains(run({.argv = {"ps", "-eo", "args"}}).out, box.run_root()));
    CHECK(!exists(box.run_root()));
    const Outcome locked =
        run({.argv = sh("ssh-keygen -q -t ed25519 -N secret -f '" + keys / "locked" + "'")});
    REQUIRE_MESSAGE(locked.status == 0, locked.err);
    const Outcome asked = box.davit({"build", "--ssh", "default=" + keys / "locked", "."});
    CHECK(asked.status == 1);
    CHECK(contains(asked.err, "the key has a passphrase"));
    const Outcome no_key = box.davit({"build", "--ssh", "default=Dockerfile", "."});
    CHECK(no_key.status == 1);
    CHECK(contains(no_key.err, "ssh-agent can't take the key"));
    CHECK(contains(box.davit({"build", "--ssh", "default=none", "."}).err, "no socket or key"));
}
