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

TEST_CASE("what is opposite to an attribute turns it off") {
    CHECK(parse_mount_options({"suid", "dev"})->clear == (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
    CHECK(parse_mount_options({"suid", "nosuid"})->clear == 0);
    const auto times = parse_mount_options({"noatime", "strictatime"});
    CHECK(times->set == MOUNT_ATTR_STRICTATIME);
    CHECK(times->clear == MOUNT_ATTR__ATIME);
}

TEST_CASE("recursive attributes are kept apart from those of the top") {
    const auto parsed = parse_mount_options({"rbind", "rro", "rnosuid", "rw"});
    REQUIRE(parsed.ok());
    CHECK(parsed->all.set == (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID));
    CHECK(parsed->set == 0);
    CHECK(parsed->clear == MOUNT_ATTR_RDONLY);
    CHECK(parse_mount_options({"rshared"})->propagate_all);
    CHECK_FALSE(parse_mount_options({"shared"})->propagate_all);
}

TEST_CASE("tmpcopyup and the flags of a superblock are no data of the file system") {
    const auto parsed = parse_mount_options({"tmpcopyup", "sync", "size=1m", "iversion"});
    REQUIRE(parsed.ok());
    CHECK(parsed->copy_up);
    CHECK(parsed->superblock == std::vector<std::string>{"sync"});
    CHECK(parsed->data == Data{{"size", "1m"}});
    CHECK_FALSE(parse_mount_options({"remount"}).ok());
}
