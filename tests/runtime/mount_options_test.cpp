#include "runtime/mount_options.h"

#include <doctest/doctest.h>
#include <sys/mount.h>

using namespace davit;
using namespace davit::runtime;

namespace {
using Data = std::vector<std::pair<std::string, std::string>>;
}

TEST_CASE("mount options are sorted by what the kernel does with them") {
    const auto parsed = parse_mount_options(
        {"nosuid", "noexec", "nodev", "ro", "mode=755", "size=64m", "newinstance", "defaults"});
    REQUIRE(parsed.ok());
    CHECK(parsed->set ==
          (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY));
    CHECK(parsed->data == Data{{"mode", "755"}, {"size", "64m"}, {"newinstance", ""}});
    CHECK_FALSE(parsed->bind);
    CHECK(parsed->propagation == 0);
}

TEST_CASE("the last of two opposite mount options holds") {
    CHECK(parse_mount_options({"ro", "rw"})->set == 0);
    CHECK(parse_mount_options({"rw", "ro"})->set == MOUNT_ATTR_RDONLY);
    CHECK(parse_mount_options({"nosuid", "suid", "noexec"})->set == MOUNT_ATTR_NOEXEC);
}

TEST_CASE("binds know recursion and propagation and idmapping") {
    struct Case {
        std::vector<std::string> options;
        bool bind, recursive, idmap;
        std::uint64_t propagation;
    };
    for (const Case& c : {Case{{"bind"}, true, false, false, 0},
                          Case{{"rbind", "rprivate"}, true, true, false, MS_PRIVATE},
                          Case{{"bind", "rbind", "rslave"}, true, true, false, MS_SLAVE},
                          Case{{"rbind", "shared", "ridmap"}, true, true, true, MS_SHARED},
                          Case{{"bind", "idmap", "private"}, true, false, true, MS_PRIVATE}}) {
        const auto parsed = parse_mount_options(c.options);
        REQUIRE(parsed.ok());
        CHECK(parsed->bind == c.bind);
        CHECK(parsed->recursive == c.recursive);
        CHECK(parsed->idmap == c.idmap);
        CHECK(parsed->propagation == c.propagation);
        CHECK(parsed->data.empty());
    }
}

TEST_CASE("a mount option without a name is refused") {
    CHECK_FALSE(parse_mount_options({""}).ok());
    CHECK_FALSE(parse_mount_options({"ro", "=5"}).ok());
}
