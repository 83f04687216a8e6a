#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/text.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

// Volumes, configs and secrets, seen from inside and from the host.
using namespace davit;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::file_text;
using davit::testing::Outcome;
using davit::testing::run;
using davit::testing::Sandbox;

namespace {

/// "uid:gid mode" of a file on the host.
std::string status_of(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) == -1) return "absent";
    return fmt::format("{}:{} {:o}", info.st_uid, info.st_gid, info.st_mode & 07777U);
}

/// An image with a folder /seed, of user 1000 and with a link in it, and a VOLUME /cache.
void make_seed_image(const Sandbox& box) {
    box.load_busybox();
    REQUIRE(make_directories(box.folder() + "/ctx/seed/deep", 0755).ok());
    box.write("ctx/seed/file", "of the image\n");
    box.write("ctx/seed/deep/other", "deep\n");
    REQUIRE(::symlink("file", (box.folder() + "/ctx/seed/link").c_str()) == 0);
    box.write("ctx/Dockerfile",
              "FROM local/busybox:1\nCOPY --chown=1000:50 --chmod=0750 seed /seed\n"
              "COPY --chown=7:7 seed/file /cache/file\nVOLUME /cache\n");
    box.davit_ok({"build", "-t", "local/seed:1", "ctx"});
}

constexpr const char* kSleep = "    command: sleep 1000\n    stop_signal: SIGKILL\n";

}  // namespace

TEST_CASE("a fresh named volume gets what the image has with its owners") {
    const Sandbox box("dt-seed");
    make_seed_image(box);
    box.compose(std::string("services:\n  a:\n    image: local/seed:1\n") + kSleep +
                "    volumes: [\"data:/seed\", \"none:/seed2:nocopy\"]\n"
                "  b:\n    image: local/seed:1\n" +
                kSleep +
                "    volumes: [\"bare:/seed:nocopy\"]\nvolumes: {data: , none: , bare: }\n");
    box.davit_ok({"up", "-d"});
    CHECK(box.davit_ok({"exec", "a", "cat", "/seed/link", "/seed/deep/other"}) ==
          "of the image\ndeep\n");
    CHECK(box.davit_ok({"exec", "a", "stat", "-c", "%u:%g %a", "/seed/file"}) == "1000:50 750\n");
    const std::string data = box.data_root() + "/volumes/dt-seed_data/_data";
    CHECK(status_of(data + "/file") == "1000:50 750");
    CHECK(status_of(data) == box.davit_ok({"exec", "a", "stat", "-c", "%u:%g %a", "/seed"})
                                 .substr(0, status_of(data).size()));
    CHECK(list_directory(box.data_root() + "/volumes/dt-seed_bare/_data")->empty());

    // What is in it stays what it is, whatever the image has.
    box.davit_ok({"exec", "a", "sh", "-c", "echo mine > /seed/file; rm /seed/link"});
    box.davit_ok({"up", "-d", "--force-recreate"});
    CHECK(file_text(data + "/file") == "mine\n");
    CHECK_FALSE(exists(data + "/link"));
    box.davit_ok({"down", "-v"});
    CHECK(list_directory(box.data_root() + "/volumes")->empty());
}

TEST_CASE("a volume that was half filled is finished before anybody has it") {
    const Sandbox box("dt-half");
    make_seed_image(box);
    box.compose(std::string("services:\n  a:\n    image: local/seed:1\n") + kSleep +
                "    volumes: [\"data:/other:nocopy\"]\n"
                "  b:\n    image: local/seed:1\n" +
                kSleep + "    volumes: [\"data:/seed\"]\nvolumes: {data: }\n");
    box.davit_ok({"up", "-d", "a"});
    // Now it is in use: b fills it in place, and a sees it.
    box.davit_ok({"up", "-d", "b"});
    CHECK(box.davit_ok({"exec", "a", "cat", "/other/deep/other"}) == "deep\n");

    // As one who was killed in the middle leaves it.
    const std::string folder = box.data_root() + "/volumes/dt-half_data";
    const std::string layers = box.data_root() + "/layers";
    Json marker = {{"layers", Json::array()}, {"path", "/seed"}};
    const Json annotations =
        read_json(box.data_root() + "/projects/dt-half/containers/dt-half-b-1/config.json")
            ->at("annotations");
    for (const std::string& layer :
         split(annotations.at("io.davit.overlay.lower").get<std::string>(), '\n'))
        marker["layers"].push_back(layer);
    box.davit_ok({"stop"});
    REQUIRE(::unlink((folder + "/_data/link").c_str()) == 0);
    REQUIRE(write_json(folder + "/filling.json", marker, Sync::No).ok());
    box.davit_ok({"start", "a"});
    CHECK(box.davit_ok({"exec", "a", "cat", "/other/link"}) == "of the image\n");
    CHECK_FALSE(exists(folder + "/filling.json"));

    // Where its image is gone, it is nobody's.
    box.davit_ok({"stop"});
    marker["layers"] = {"/nosuch"};
    REQUIRE(write_json(folder + "/filling.json", marker, Sync::No).ok());
    const Outcome refused = box.davit({"up", "-d", "a"});
    CHECK(refused.status == 1);
    CHECK(contains(refused.err, "was being filled when davit was killed"));
    REQUIRE(::unlink((folder + "/filling.json").c_str()) == 0);
}

TEST_CASE("volumes of an image are anonymous and live as Docker's do") {
    const Sandbox box("dt-anon");
    make_seed_image(box);
    box.compose(std::string("services:\n  a:\n    image: local/seed:1\n") + kSleep);
    const auto dangling = [&] {
        return split(box.davit_ok({"volume", "ls", "-q", "--filter", "dangling=true"}), '\n')
                   .size() -
               1;
    };
    const auto word = [&](const char* text) {
        return box.davit_ok({"exec", "a", "sh", "-c", text});
    };
    box.davit_ok({"up", "-d"});
    CHECK(word("cat /cache/file; stat -c %u /cache/file") == "of the image\n7\n");
    CHECK(contains(box.inspect("dt-anon-a-1", "{{json .Mounts}}"), "\"Destination\":\"/cache\""));
    word("echo mine > /cache/mine");
    box.davit_ok({"up", "-d", "--force-recreate"});
    CHECK(word("cat /cache/mine") == "mine\n");
    box.davit_ok({"up", "-d", "--force-recreate", "-V"});
    CHECK(word("ls /cache") == "file\n");

    // rm leaves it behind, and the next container begins anew; rm -v takes it along.
    word("echo mine > /cache/mine");
    box.davit_ok({"rm", "-fs"});
    CHECK(dangling() == 1);
    box.davit_ok({"up", "-d"});
    CHECK(word("ls /cache") == "file\n");
    CHECK(dangling() == 1);
    box.davit_ok({"rm", "-fsv"});
    CHECK(dangling() == 1);
    box.davit_ok({"run", "--rm", "-T", "a", "true"});
    CHECK(dangling() == 1);
    CHECK(contains(box.davit_ok({"volume", "prune", "-f"}), "Deleted Volumes"));
    CHECK(dangling() == 0);
}

TEST_CASE("a volume with options is what they say") {
    const Sandbox box("dt-volopts");
    box.load_busybox();
    REQUIRE(make_directories(box.folder() + "/here", 0755).ok());
    box.write("here/page", "of the host\n");
    box.compose(std::string("services:\n  a:\n    image: local/busybox:1\n") + kSleep +
                "    volumes: [\"bound:/bound\", \"mem:/mem\"]\n"
                "  b:\n    image: local/busybox:1\n" +
                kSleep +
                "    volumes: [\"mem:/mem\"]\n"
                "volumes:\n"
                "  bound: {driver: local, driver_opts: {type: none, o: \"bind,ro\", device: " +
                "\"" + box.folder() + "/here\"}}\n" +
                "  mem: {driver_opts: {type: tmpfs, device: tmpfs, o: \"size=1m,mode=1777\"}}\n");
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    CHECK(box.davit_ok({"exec", "a", "cat", "/bound/page"}) == "of the host\n");
    CHECK(box.davit({"exec", "a", "touch", "/bound/x"}).status == 1);
    box.davit_ok({"exec", "a", "sh", "-c", "echo shared > /mem/file; chown 5:6 /mem/file"});
    CHECK(box.davit_ok({"exec", "b", "sh", "-c", "cat /mem/file; stat -c %u:%g /mem/file"}) ==
          "shared\n5:6\n");
    CHECK(contains(box.davit_ok({"exec", "b", "df", "-k", "/mem"}), " 1024 "));
    CHECK(contains(box.davit_ok({"volume", "inspect", "dt-volopts_mem"}), "size=1m,mode=1777"));
    // As long as one has it, what is in it stays.
    box.davit_ok({"restart", "-t", "0", "a"});
    CHECK(box.davit_ok({"exec", "a", "cat", "/mem/file"}) == "shared\n");
    box.davit_ok({"down"});
    CHECK(box.world() == before);
    CHECK(contains(box.davit_ok({"volume", "ls", "-q"}), "dt-volopts_mem\n"));
    box.davit_ok({"up", "-d"});
    CHECK(box.davit_ok({"exec", "a", "ls", "/mem"}).empty());
    box.davit_ok({"down", "-v"});
    CHECK(file_text(box.folder() + "/here/page") == "of the host\n");
    CHECK(box.davit_ok({"volume", "ls", "-q"}).empty());
}

TEST_CASE("options of a volume that can't work are refused before anything is made") {
    const Sandbox box("dt-volbad");
    box.load_busybox();
    const std::string before = box.world();
    const auto up = [&](const std::string& options) {
        box.compose(std::string("services:\n  a:\n    image: local/busybox:1\n") + kSleep +
                    "    volumes: [\"dd:/d\"]\nvolumes:\n  dd: {driver_opts: " + options + "}\n");
        const Outcome outcome = box.davit({"up", "-d"});
        CHECK(outcome.status == 1);
        CHECK(box.world() == before);
        return outcome.err;
    };
    CHECK(contains(up("{type: none, o: bind, device: /nosuch}"),
                   "compose.yaml:9:8: error: the folder '/nosuch' of volume 'dt-volbad_dd' does "
                   "not exist"));
    CHECK(contains(up("{type: tmpfs}"), "missing required option: 'device'"));
    CHECK(contains(up("{type: nosuchfs, device: x}"), "mount volume 'dt-volbad_dd'"));
    CHECK(contains(up("{size: 1m}"), "the option 'size' means nothing"));
    const Outcome create = box.davit({"volume", "create", "-o", "type=tmpfs", "xx"});
    CHECK(create.status == 1);
    CHECK(contains(create.err, "missing required option: 'device'"));
    box.davit_ok({"volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "xx"});
    CHECK(contains(box.davit_ok({"volume", "inspect", "xx"}), "\"type\": \"tmpfs\""));
    CHECK(box.davit({"volume", "create", "xx"}).status == 1);
    box.davit_ok({"volume", "rm", "xx"});
}

TEST_CASE("a volume's subpath stays inside of it and images are mounted read-only") {
    const Sandbox box("dt-subpath");
    make_seed_image(box);
    const std::string mounts =
        "    volumes:\n"
        "      - {type: volume, source: data, target: /part, volume: {subpath: PART}}\n"
        "      - {type: image, source: \"local/seed:1\", target: /whole}\n"
        "      - {type: image, source: \"local/seed:1\", target: /piece, image: {subpath: seed/deep}}\n";
    const auto compose = [&](const std::string& part) {
        std::string text = mounts;
        text.replace(text.find("PART"), 4, part);
        box.compose(std::string("services:\n  a:\n    image: local/busybox:1\n") + kSleep + text +
                    "volumes: {data: }\n");
    };
    compose("sub/dir");
    const Outcome absent = box.davit({"up", "-d"});
    CHECK(absent.status == 1);
    CHECK(contains(absent.err, "find 'sub/dir' in"));
    const std::string data = box.data_root() + "/volumes/dt-subpath_data/_data";
    REQUIRE(make_directories(data + "/sub/dir", 0755).ok());
    REQUIRE(write_in_place(data + "/sub/dir/file", "in the part\n", 0644).ok());
    box.davit_ok({"up", "-d"});
    CHECK(box.davit_ok({"exec", "a", "cat", "/part/file", "/whole/seed/file", "/piece/other"}) ==
          "in the part\nof the image\ndeep\n");
    CHECK(box.davit_ok({"exec", "a", "stat", "-c", "%u:%g", "/whole/seed/file"}) == "1000:50\n");
    CHECK(box.davit({"exec", "a", "touch", "/whole/x"}).status == 1);
    const Outcome used = box.davit({"rmi", "local/seed:1"});
    CHECK(used.status == 1);
    // A link that leads out of the volume leads nowhere.
    REQUIRE(::symlink("/etc", (data + "/out").c_str()) == 0);
    compose("out");
    CHECK(box.davit({"up", "-d"}).status == 1);
}

TEST_CASE("configs and secrets are copies with the owner and mode that they ask for") {
    const Sandbox box("dt-secrets");
    box.load_busybox();
    box.write(".env", "TOKEN=from-env\n");
    box.write("secret.txt", "from-file\n");
    REQUIRE(::chmod((box.folder() + "/secret.txt").c_str(), 0600) == 0);
    box.compose(
        std::string("services:\n  a:\n    image: local/busybox:1\n    user: app\n"
                    "    read_only: true\n") +
        kSleep +
        "    secrets: [file, {source: env, target: token, uid: '7', gid: '8', mode: 0440}]\n"
        "    configs: [{source: text, target: /etc/app.conf}]\n"
        "secrets:\n  file: {file: ./secret.txt}\n  env: {environment: TOKEN}\n"
        "configs:\n  text: {content: \"a=${TOKEN}\\n\"}\n");
    box.davit_ok({"up", "-d"});
    CHECK(box.davit_ok({"exec", "a", "cat", "/run/secrets/file", "/etc/app.conf"}) ==
          "from-file\na=from-env\n");
    CHECK(box.davit_ok({"exec", "-u", "root", "a", "cat", "/run/secrets/token"}) == "from-env");
    CHECK(box.davit_ok({"exec", "a", "stat", "-c", "%u:%g %a", "/run/secrets/file",
                        "/run/secrets/token", "/etc/app.conf"}) ==
          "1000:1000 444\n7:8 440\n1000:1000 444\n");
    // The host's file is as it was, and nobody tells.
    CHECK(status_of(box.folder() + "/secret.txt") == "0:0 600");
    const std::string shown = box.davit_ok({"inspect", "dt-secrets-a-1"});
    CHECK_FALSE(contains(shown, "from-file"));
    CHECK_FALSE(contains(shown, "from-env"));
    CHECK_FALSE(contains(shown, "/files/"));
    CHECK(run({.argv = {"grep", "-r", "from-", box.data_root() + "/projects"}}).out.empty());

    // What is in it counts: the same file is left alone, another one is a change.
    const std::string id = box.inspect("dt-secrets-a-1", "{{.Id}}");
    box.davit_ok({"up", "-d"});
    CHECK(box.inspect("dt-secrets-a-1", "{{.Id}}") == id);
    box.write("secret.txt", "another\n");
    CHECK(box.davit({"plan", "--detailed-exitcode"}).status == 2);
    box.davit_ok({"up", "-d"});
    CHECK(box.inspect("dt-secrets-a-1", "{{.Id}}") != id);
    CHECK(box.davit_ok({"exec", "a", "cat", "/run/secrets/file"}) == "another\n");

    box.davit_ok({"down"});
    CHECK_FALSE(exists(box.run_root() + "/dt-secrets"));
    REQUIRE(::unlink((box.folder() + "/secret.txt").c_str()) == 0);
    const Outcome gone = box.davit({"up", "-d"});
    CHECK(gone.status == 1);
    CHECK(contains(gone.err, "secret.txt' of secrets can't be read: it does not exist"));
    CHECK(box.davit({"ps"}).status == 0);
}

TEST_CASE("binds propagate mounts where they are told to") {
    const Sandbox box("dt-propagate");
    box.load_busybox();
    const std::string host = box.folder() + "/shared";
    REQUIRE(make_directories(host + "/later", 0755).ok());
    REQUIRE(::mount(host.c_str(), host.c_str(), nullptr, MS_BIND, nullptr) == 0);
    REQUIRE(::mount(nullptr, host.c_str(), nullptr, MS_SHARED, nullptr) == 0);
    box.compose(
        std::string("services:\n  a:\n    image: local/busybox:1\n") + kSleep +
        "    volumes:\n"
        "      - {type: bind, source: ./shared, target: /slave, bind: {propagation: rslave}}\n"
        "      - {type: bind, source: ./shared, target: /own}\n");
    box.davit_ok({"up", "-d"});
    REQUIRE(::mount("tmpfs", (host + "/later").c_str(), "tmpfs", 0, nullptr) == 0);
    REQUIRE(write_in_place(host + "/later/file", "later\n", 0644).ok());
    CHECK(box.davit_ok({"exec", "a", "cat", "/slave/later/file"}) == "later\n");
    CHECK(box.davit({"exec", "a", "cat", "/own/later/file"}).status == 1);
    box.davit_ok({"down"});
    REQUIRE(::umount2((host + "/later").c_str(), MNT_DETACH) == 0);
    REQUIRE(::umount2(host.c_str(), MNT_DETACH) == 0);
}
