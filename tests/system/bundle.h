#pragma once

#include "base/file.h"
#include "base/json.h"
#include "tests/support/command.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace davit::testing {

/// A bundle with a busybox, and a root folder of its own for the OCI command line.
class Bundle {
public:
    Json config = {};  ///< To be changed before `create` and `run`.

    explicit Bundle(std::vector<std::string> args) {
        for (const char* folder : {"bin", "proc", "dev", "sys", "tmp", "etc"})
            REQUIRE(make_directories(path("rootfs/" + std::string(folder)), 0755).ok());
        REQUIRE(write_in_place(path("rootfs/bin/busybox"), *read_file("/bin/busybox"), 0755).ok());
        for (const char* applet : {"sh", "cat", "echo", "sleep", "id", "ls", "tty", "stty", "true"})
            REQUIRE(::symlink("busybox", path("rootfs/bin/" + std::string(applet)).c_str()) == 0);
        REQUIRE(oci({"spec"}).status == 0);
        config = *read_json(path("config.json"));
        config["process"]["args"] = std::move(args);
        config["process"]["terminal"] = false;
        config["process"]["env"] = {"PATH=/bin"};
        config["process"]["rlimits"] = Json::array();
        config["root"]["readonly"] = false;
        config["linux"]["cgroupsPath"] = "/davit/oci-test/" + id();
    }
    Bundle(const Bundle&) = delete;
    Bundle& operator=(const Bundle&) = delete;
    ~Bundle() { (void)oci({"delete", "--force", id()}); }

    std::string path(const std::string& name) const { return dir_ / name; }
    /// Unlike that of any other bundle of this machine.
    std::string id() const { return "t" + dir_.path().substr(dir_.path().rfind('-') + 1); }

    /// Runs the OCI command line in the bundle.
    Outcome oci(std::vector<std::string> words) const {
        return davit::testing::run({command(std::move(words)), dir_.path()});
    }
    std::vector<std::string> command(std::vector<std::string> words) const {
        std::vector<std::string> argv = {DAVIT_RUNTIME, "--root", dir_ / "state"};
        argv.insert(argv.end(), words.begin(), words.end());
        return argv;
    }
    void save() const { REQUIRE(write_json(path("config.json"), config, Sync::No).ok()); }
    Outcome run() const {
        save();
        return oci({"run", id()});
    }
    /// Creates it with its output in files: nobody waits for a container that lives on.
    Outcome create(std::vector<std::string> flags = {}) const {
        save();
        std::string line = "exec \"$0\" --root \"$1\" create";
        for (const std::string& flag : flags) line += " " + flag;
        line += " \"$2\" < /dev/null > out 2> err";
        return davit::testing::run(
            {{"sh", "-c", line, DAVIT_RUNTIME, dir_ / "state", id()}, dir_.path()});
    }
    std::string output() const {
        return read_file(path("out")).ok() ? *read_file(path("out")) : "";
    }
    std::string status() const {
        const auto json = parse_json(oci({"state", id()}).out, "state");
        return json ? string_or(*json, "status") : std::string();
    }

private:
    TempDir dir_;
};

}  // namespace davit::testing
