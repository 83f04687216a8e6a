#include "tests/compose/support.h"

// Services that have the mounts of others.
namespace davit::compose {
namespace {

using testing::load_text;
using testing::Loaded;

/// "source>target" of each mount, with ":ro" where it is.
std::string mounts_of(const Loaded& loaded, const std::string& service) {
    std::string text;
    for (const Mount& mount : loaded.service(service).volumes)
        text += mount.source + ">" + mount.target + (mount.read_only ? ":ro" : "") + "\n";
    return text;
}

constexpr const char* kLenders = R"(
services:
  one:
    image: x
    volumes: ["data:/data", "/srv/www:/www:ro", "cache:/cache"]
  two:
    image: x
    volumes_from: ["one:ro"]
    volumes: ["own:/cache"]
  three:
    image: x
    tmpfs: /www
    volumes_from: [two]
volumes: {data: {}, cache: {}, own: {}}
)";

}  // namespace

TEST_CASE("mounts of other services come beneath the service's own") {
    const Loaded loaded = load_text(kLenders);
    CHECK(mounts_of(loaded, "two") == "own>/cache\ndata>/data:ro\n/srv/www>/www:ro\n");
    // Those that the lender has from another one, too; what stands over one of them hides it.
    CHECK(mounts_of(loaded, "three") == "own>/cache\ndata>/data:ro\n");
    REQUIRE(loaded.service("three").depends_on.size() == 1);
    CHECK(loaded.service("three").depends_on.front().service == "two");
}

TEST_CASE("mounts that can't be had from others are refused with the cure") {
    const auto remarks = [](const std::string& from, const std::string& volume) {
        return load_text("services:\n  a: {image: x, volumes: [\"" + volume +
                         "\"]}\n  b: {image: x, volumes_from: [\"" + from +
                         "\"]}\nvolumes: {vol: {}}\n")
            .remarks;
    };
    CHECK(remarks("a:wr", "vol:/v") == "compose.yaml:3:32: 'wr' is not ro or rw\n");
    CHECK(remarks("container:x", "vol:/v") ==
          "compose.yaml:3:32: volumes of a container that the file doesn't have\n");
    CHECK(remarks("a", "/anonymous")
              .find("compose.yaml:3:32: the volume at '/anonymous' of service 'a' has no name\n") !=
          std::string::npos);
    CHECK(remarks("a", "vol:/v") ==
          "compose.yaml:3:32: what the image of service 'a' declares as VOLUME is not shared\n");
    CHECK(remarks("nobody", "vol:/v").find("nobody") != std::string::npos);
    // A circle ends, and is told.
    CHECK(load_text("services:\n  a: {image: x, volumes_from: [b]}\n  b: {image: x, volumes_from: "
                    "[a]}\n")
              .remarks.find("depend on each other in a circle") != std::string::npos);
}

}  // namespace davit::compose
