#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/text.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/mount.h>

// Podman and skopeo have code of their own for every format; where they and davit agree on a tree
// to the last bit, both are right or both are wrong in the same way.

using namespace davit;
using davit::testing::contains;
using davit::testing::Outcome;
using davit::testing::run;
using davit::testing::Sandbox;
using davit::testing::TempDir;

namespace {

constexpr const char* kRich = "docker.io/local/rich:1";

std::string must(std::vector<std::string> argv) {
    const std::string shown = fmt::format("{}", fmt::join(argv, " "));
    const Outcome outcome = run({.argv = std::move(argv)});
    REQUIRE_MESSAGE(outcome.status == 0, shown, ": ", outcome.err);
    return outcome.out;
}

/// What describe_tree.py says of a tree, but for its root: podman gives every image's root the mode
/// 0555 and the time of now.
std::string describe(const std::string& folder) {
    const std::string all =
        must({"python3", DAVIT_SOURCE_DIR "/tests/support/describe_tree.py", folder});
    return all.substr(all.find('\n') + 1);
}

/// Where two texts differ, for people.
std::string difference(const std::string& one, const std::string& other) {
    std::string text;
    for (const auto& [mine, others, sign] : {std::tuple(one, other, '-'), {other, one, '+'}})
        for (const std::string& line : split(mine, '\n'))
            if (!contains("\n" + others, "\n" + line + "\n")) text += sign + line + "\n";
    return text;
}

class Podman {
public:
    Podman() = default;
    ~Podman() { (void)call({"image", "unmount", "-a"}); }
    Podman(const Podman&) = delete;
    Podman& operator=(const Podman&) = delete;

    Outcome call(const std::vector<std::string>& more) const {
        std::vector<std::string> argv = {
            "podman",     "--root",           dir_ / "root", "--runroot",
            dir_ / "run", "--tmpdir",         dir_ / "tmp",  "--storage-driver",
            "overlay",    "--cgroup-manager", "cgroupfs",    "--events-backend",
            "file"};
        argv.insert(argv.end(), more.begin(), more.end());
        return run({argv, "", {"CONTAINERS_CONF=/dev/null", "TMPDIR=" + dir_.path()}});
    }
    std::string ok(const std::vector<std::string>& more) const {
        const Outcome outcome = call(more);
        REQUIRE_MESSAGE(outcome.status == 0, fmt::format("podman {}", fmt::join(more, " ")), ": ",
                        outcome.err);
        return std::string(trim(outcome.out));
    }
    std::string tree(const std::string& image) const {
        const std::string text = describe(ok({"image", "mount", image}));
        ok({"image", "unmount", image});
        return text;
    }

private:
    TempDir dir_;
};

/// A store of davit's, made anew for each thing that is loaded.
class Davit {
public:
    explicit Davit(const Sandbox& box) : box_(box) {}

    std::string ok(std::vector<std::string> words) const {
        words.insert(words.begin(), {"--data-root", dir_ / "data"});
        return box_.davit_ok(std::move(words));
    }
    /// The layers as a container sees them, one over the other.
    std::string tree(const std::string& image) const {
        const auto layers = parse_json(
            ok({"image", "inspect", "-f", "{{json .RootFS.Layers}}", image}), "the list of layers");
        REQUIRE(layers.ok());
        std::string lower;
        for (const Json& layer : *layers) {
            const std::string folder =
                dir_ / ("data/layers/" + layer.get<std::string>().substr(7) + "/diff");
            lower = folder + (lower.empty() ? "" : ":" + lower);
        }
        // One layer alone is no overlay.
        if (layers->size() == 1) return describe(lower);
        REQUIRE(make_directories(dir_ / "merged", 0755).ok());
        must({"mount", "-t", "overlay", "overlay", "-o", "ro,lowerdir=" + lower, dir_ / "merged"});
        const std::string text = describe(dir_ / "merged");
        REQUIRE(::umount((dir_ / "merged").c_str()) == 0);
        return text;
    }

private:
    const Sandbox& box_;
    TempDir dir_;
};

void check_same(const std::string& what, const std::string& found, const std::string& expected) {
    CAPTURE(what);
    CHECK_MESSAGE(found == expected, difference(expected, found));
}

#define NEEDS_PEERS()                                         \
    if (run({.argv = {"podman", "--version"}}).status != 0 || \
        run({.argv = {"skopeo", "--version"}}).status != 0)   \
    SKIP_TEST("needs the packages 'podman' and 'skopeo'")

struct Rich {
    /// `kind`: "new" for what only OCI archives can carry.
    explicit Rich(const std::string& kind = "") {
        std::vector<std::string> maker = {
            "python3", DAVIT_SOURCE_DIR "/tests/support/rich_image.py", dir / "layout", kRich};
        if (!kind.empty()) maker.push_back(kind);
        must(maker);
        must({"tar", "-C", dir / "layout", "-cf", dir / "rich.tar", "."});
    }
    TempDir dir;
};

}  // namespace

TEST_CASE("what podman and skopeo save davit unpacks as podman does") {
    NEEDS_PEERS();
    const Sandbox box("differential-load");
    const Rich rich;
    const Podman podman;
    podman.ok({"load", "-q", "-i", rich.dir / "rich.tar"});
    const std::string expected = podman.tree(kRich);
    REQUIRE(contains(expected, "user.note"));
    const std::string id = podman.ok({"image", "inspect", "-f", "{{.Id}}", kRich});

    const auto loads = [&](const std::string& what, const std::string& archive, bool same_id) {
        const Davit davit(box);
        davit.ok({"load", "-q", "-i", archive});
        check_same(what, davit.tree(kRich), expected);
        const std::string found = davit.ok({"image", "inspect", "-f", "{{.Id}}", kRich});
        // A docker-archive made of an OCI image has another configuration.
        if (same_id) CHECK(found == "sha256:" + id + "\n");
        CHECK(contains(davit.ok({"image", "check"}), "all as they should be"));
    };
    loads("the OCI archive itself", rich.dir / "rich.tar", true);
    loads("the OCI layout itself", rich.dir / "layout", true);
    const Rich newer("new");
    loads("sparse files and zstd", newer.dir / "rich.tar", false);
    for (const char* format : {"docker-archive", "oci-archive"}) {
        const std::string saved = rich.dir / ("podman-" + std::string(format));
        podman.ok({"save", "-q", "--format", format, "-o", saved, kRich});
        loads("podman save --format " + std::string(format), saved, format[0] == 'o');
        const std::string copied = rich.dir / ("skopeo-" + std::string(format));
        must({"skopeo", "copy", "-q", "--insecure-policy",
              "oci:" + rich.dir.path() + "/layout:" + kRich,
              std::string(format) + ":" + copied + ":" + kRich});
        loads("skopeo copy to " + std::string(format), copied, format[0] == 'o');
    }
    podman.ok({"tag", kRich, "docker.io/local/rich:2"});
    podman.ok({"save", "-q", "-m", "-o", rich.dir / "many", kRich, "docker.io/local/rich:2"});
    const Davit davit(box);
    CHECK(davit.ok({"load", "-i", rich.dir / "many"}) ==
          "Loaded image: local/rich:1\nLoaded image: local/rich:2\n");
}

TEST_CASE("what davit saves podman and skopeo load as it was") {
    NEEDS_PEERS();
    const Sandbox box("differential-save");
    const Rich rich;
    const Davit davit(box);
    davit.ok({"load", "-q", "-i", rich.dir / "layout"});
    const std::string id = davit.ok({"image", "inspect", "-f", "{{.Id}}", kRich});
    const std::string expected = davit.tree(kRich);
    const Podman podman;
    const std::vector<std::vector<std::string>> ways = {
        {"--format", "docker"}, {"--format", "oci"}, {"--gzip"}};
    for (const auto& way : ways) {
        std::vector<std::string> words = {"save", "-o", rich.dir / "saved", kRich};
        words.insert(words.begin() + 1, way.begin(), way.end());
        davit.ok(words);
        podman.ok({"load", "-q", "-i", rich.dir / "saved"});
        check_same(fmt::format("davit save {}", fmt::join(way, " ")), podman.tree(kRich), expected);
        CHECK("sha256:" + podman.ok({"image", "inspect", "-f", "{{.Id}}", kRich}) + "\n" == id);
        podman.ok({"rmi", "-f", kRich});
    }
    davit.ok({"save", "--format", "oci", "-o", rich.dir / "oci", kRich});
    must({"skopeo", "copy", "-q", "--insecure-policy", "oci-archive:" + rich.dir.path() + "/oci",
          "docker-archive:" + rich.dir.path() + "/converted:" + kRich});
    const Davit other(box);
    other.ok({"load", "-q", "-i", rich.dir / "converted"});
    check_same("by way of skopeo", other.tree(kRich), expected);
}
