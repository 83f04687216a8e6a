#include "base/file.h"
#include "base/strings.h"
#include "tests/support/fake_registry.h"
#include "tests/support/sandbox.h"
#include "tests/support/seed.h"
#include "tests/support/skip.h"
#include "tests/support/tar_writer.h"
#include "tests/support/text.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>
#include <random>
#include <sys/mount.h>

// What happens to a pull: kill -9 and Ctrl-C at any moment, a disk that is full (R8, S1).

using namespace davit;
using davit::testing::Background;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::FakeRegistry;
using davit::testing::noise;
using davit::testing::Outcome;
using davit::testing::packed_by;
using davit::testing::Sandbox;
using davit::testing::seed_of_this_run;
using davit::testing::TarWriter;

namespace {

constexpr const char* kOciTar = "application/vnd.oci.image.layer.v1.tar";
constexpr const char* kOciGzip = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A registry with an image of two layers: one that takes time to get and one that takes time to
/// unpack.
struct Served : FakeRegistry {
    Served() {
        const std::string big =
            TarWriter().folder("data").file("data/big", noise(512 << 10, 3)).finish();
        TarWriter many;
        for (int folder = 0; folder < 10; ++folder) {
            const std::string name = fmt::format("many-{}", folder);
            many.folder(name);
            for (unsigned file = 0; file < 10; ++file)
                many.file(fmt::format("{}/{}", name, file), noise(2000, file + 1));
            many.add({.path = name + "/same", .type = '1', .link = name + "/0"});
        }
        const std::string small = many.finish();
        manifest(image({{kOciTar, big, big}, {kOciGzip, packed_by("gzip", small), small}}), "1");
    }
    std::string name() const { return host() + "/app:1"; }
};

std::vector<std::string> names_below(const Sandbox& box, const std::string& folder) {
    return *list_directory(box.data_root() + "/" + folder);
}

/// The store says so itself, by reading everything in it.
void check_store(const Sandbox& box) {
    const Outcome check = box.davit({"image", "check"});
    CHECK_MESSAGE(check.status == 0, check.out, check.err);
}

void check_pulls(const Sandbox& box, const Served& registry) {
    const Outcome pull = box.davit({"pull", "-q", registry.name()});
    REQUIRE_MESSAGE(pull.status == 0, pull.err);
    CHECK(contains(box.davit_ok({"image", "check"}), "1 images with 2 layers: all as they"));
    CHECK(names_below(box, "images/tmp").empty());
    CHECK(names_below(box, "images/parts").empty());
    CHECK(names_below(box, "layers").size() == 2);
    CHECK(names_below(box, "images/blobs/sha256").size() == 4);
}

std::chrono::microseconds time_of_pull(const Sandbox& box, const Served& registry) {
    const auto begin = std::chrono::steady_clock::now();
    box.davit_ok({"pull", "-q", registry.name()});
    const auto end = std::chrono::steady_clock::now();
    box.davit_ok({"rmi", registry.name()});
    return std::chrono::duration_cast<std::chrono::microseconds>(end - begin);
}

}  // namespace

TEST_CASE("a pull killed at fifty random moments leaves a whole store (R8)") {
    const Sandbox box("pull-kill");
    const Served registry;
    const auto whole = std::max(time_of_pull(box, registry), time_of_pull(box, registry));
    const unsigned seed = seed_of_this_run();
    MESSAGE("DAVIT_TEST_SEED=", seed, ", a pull takes ", whole.count() / 1000, " ms");
    std::mt19937 random(seed);
    std::uniform_int_distribution<long> moment(0, whole.count());
    int in_the_middle = 0;
    for (int round = 0; round < 50; ++round) {
        const long delay_us = moment(random);
        CAPTURE(round);
        CAPTURE(delay_us);
        {
            Background pull(box.davit_command({"pull", "-q", registry.name()}), "/dev/null");
            const timespec delay{delay_us / 1'000'000, delay_us % 1'000'000 * 1000};
            ::nanosleep(&delay, nullptr);
            pull.signal(SIGKILL);
            pull.wait();
        }
        if (!names_below(box, "images/tmp").empty()) ++in_the_middle;
        check_store(box);
        check_pulls(box, registry);
        box.davit_ok({"rmi", registry.name()});
        CHECK(names_below(box, "layers").empty());
    }
    // Else this test has tried nothing.
    CHECK(in_the_middle >= 5);
}

TEST_CASE("Ctrl-C ends a pull at once and the next one goes on where it ended (R8)") {
    const Sandbox box("pull-interrupt");
    const Served registry;
    registry.faults({{{"path", "blobs"}, {"do", "stall"}, {"after", 100'000}, {"seconds", 20}}});
    Background pull(box.davit_command({"pull", registry.name()}), box.folder() + "/output");
    const auto have_some = [&] {
        const std::vector<std::string> parts = names_below(box, "images/parts");
        return std::count_if(parts.begin(), parts.end(), [&](const std::string& part) {
                   const auto bytes = read_file(box.data_root() + "/images/parts/" + part);
                   return bytes && bytes->size() >= 50'000;
               }) > 0;
    };
    REQUIRE(eventually(have_some));
    const auto begin = std::chrono::steady_clock::now();
    pull.signal(SIGINT);
    CHECK(pull.wait() == 130);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
    check_store(box);
    CHECK(names_below(box, "images/tmp").empty());
    CHECK(names_below(box, "layers").empty());
    registry.faults(Json::array());
    check_pulls(box, registry);
    CHECK(registry.asked(" bytes=") > 0);
}

TEST_CASE("a pull that can't fit is not begun, and one that fills the disk leaves nothing (S1)") {
    const Sandbox box("pull-full");
    const Served registry;
    REQUIRE(make_directories(box.data_root(), 0700).ok());
    const auto with_disk = [&](const char* size) {
        REQUIRE(::mount("tmpfs", box.data_root().c_str(), "tmpfs", 0, size) == 0);
    };
    SUBCASE("it can't fit") {
        with_disk("size=1m");
        const Outcome refused = box.davit({"pull", "-q", registry.name()});
        CHECK(refused.status == 1);
        CHECK_MESSAGE(contains(refused.err, "find room for at least"), refused.err);
        CHECK_MESSAGE(contains(refused.err, box.data_root()), refused.err);
        CHECK(registry.asked("blobs") == 1);  // the configuration
    }
    SUBCASE("it fills the disk") {
        // It is far larger than its blob says.
        TarWriter zeros;
        for (int i = 0; i < 30; ++i)
            zeros.file(fmt::format("zeros-{}", i), std::string(1 << 20, '\0'));
        const std::string tar = zeros.finish();
        registry.manifest(registry.image({{kOciGzip, packed_by("gzip", tar), tar}}), "1");
        with_disk("size=12m");
        const Outcome full = box.davit({"pull", "-q", registry.name()});
        CHECK(full.status == 1);
        CHECK_MESSAGE(contains(full.err, "ENOSPC"), full.err);
        CHECK_MESSAGE(contains(full.err, "free space on the file system of"), full.err);
    }
    CHECK(names_below(box, "images/tmp").empty());
    CHECK(names_below(box, "layers").empty());
    check_store(box);
    REQUIRE(::umount(box.data_root().c_str()) == 0);
}
