#include "stack/users.h"

#include "base/file.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

using namespace davit;
using namespace davit::stack;
using davit::testing::TempDir;

namespace {

constexpr const char* kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "# a comment\n"
    "\n"
    "web:x:33:34:www:/var/www:/bin/false\n"
    "nohome:x:40:41:::\n"
    "short:x:50\n"
    "negative:x:-1:0::/:\n"
    "huge:x:4294967296:0::/:\n"
    "words:x:abc:0::/:\n"
    "web:x:0:0:the second of the name does not count:/:\n"
    ":x:0:0:nameless:/:\n"
    "1000:x:0:0:a name of digits:/evil:\n";
constexpr const char* kGroup =
    "root:x:0:\n"
    "www:x:34:\n"
    "staff:x:50:alice,web\n"
    "audio:x:29:web\n"
    "again:x:29:web\n"
    "broken:x:zz:web\n"
    "huge:x:4294967296:web\n"
    "60:x:0:\n";

}  // namespace

TEST_CASE("users are resolved against the image") {
    struct Case {
        const char* user;
        std::uint32_t uid, gid;
        std::vector<std::uint32_t> groups;
        const char* home;
    };
    const Case cases[] = {
        {"", 0, 0, {0}, "/root"},
        {"0", 0, 0, {0}, "/root"},
        {"root", 0, 0, {0}, "/root"},
        {"web", 33, 34, {34, 50, 29}, "/var/www"},
        {"33", 33, 34, {34, 50, 29}, "/var/www"},
        {"web:staff", 33, 50, {50}, "/var/www"},
        {"web:60", 33, 60, {60}, "/var/www"},
        {"33:0", 33, 0, {0}, "/var/www"},
        {"web:", 33, 34, {34, 50, 29}, "/var/www"},
        {"nohome", 40, 41, {41}, "/"},
        {"7", 7, 0, {0}, "/"},
        {"7:8", 7, 8, {8}, "/"},
        {"1000", 1000, 0, {0}, "/"},  // digits are a number and never a name
        {"2147483647", 2147483647, 0, {0}, "/"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.user);
        const auto user = resolve_user(c.user, kPasswd, kGroup);
        REQUIRE(user.ok());
        CHECK(user->uid == c.uid);
        CHECK(user->gid == c.gid);
        CHECK(user->groups == c.groups);
        CHECK(user->home == c.home);
    }
}

TEST_CASE("users that cannot be are refused and never become root") {
    struct Case {
        const char* user;
        ErrorKind kind;
        const char* message;
    };
    const Case cases[] = {
        {"nobody", ErrorKind::NotFound, "user 'nobody' is not in the image"},
        {"web:nogroup", ErrorKind::NotFound, "group 'nogroup' is not in the image"},
        {"4294967296", ErrorKind::InvalidInput,
         "user id '4294967296' is out of range 0..2147483647"},
        {"2147483648", ErrorKind::InvalidInput,
         "user id '2147483648' is out of range 0..2147483647"},
        {"99999999999999999999", ErrorKind::InvalidInput,
         "user id '99999999999999999999' is out of range 0..2147483647"},
        {"0:4294967296", ErrorKind::InvalidInput,
         "group id '4294967296' is out of range 0..2147483647"},
        {"negative", ErrorKind::NotFound, "user 'negative' is not in the image"},
        {"huge", ErrorKind::NotFound, "user 'huge' is not in the image"},
        {"words", ErrorKind::NotFound, "user 'words' is not in the image"},
        {"short", ErrorKind::NotFound, "user 'short' is not in the image"},
        {"-1", ErrorKind::NotFound, "user '-1' is not in the image"},
        {"+0", ErrorKind::NotFound, "user '+0' is not in the image"},
        {":0", ErrorKind::NotFound, "user '' is not in the image"},
        {" 0", ErrorKind::NotFound, "user ' 0' is not in the image"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.user);
        const auto user = resolve_user(c.user, kPasswd, kGroup);
        REQUIRE_FALSE(user.ok());
        CHECK(user.error().kind() == c.kind);
        CHECK(user.error().to_string() == c.message);
    }
}

TEST_CASE("an image without user files knows numbers and root") {
    CHECK(resolve_user("", "", "")->uid == 0);
    CHECK(resolve_user("5:6", "", "")->gid == 6);
    CHECK(resolve_user("root", "", "").error().kind() == ErrorKind::NotFound);
}

TEST_CASE("a file is read from the topmost layer that has it") {
    const TempDir dir;
    const std::vector<std::string> layers = {dir / "top", dir / "middle", dir / "bottom"};
    for (const std::string& layer : layers) REQUIRE(make_directories(layer + "/etc", 0755).ok());
    const auto put = [&](const std::string& path, const std::string& text) {
        REQUIRE(write_in_place(dir / path, text, 0644).ok());
    };
    put("bottom/etc/passwd", "bottom");
    CHECK(read_from_layers(layers, "etc/passwd") == "bottom");
    put("middle/etc/passwd", "middle");
    CHECK(read_from_layers(layers, "etc/passwd") == "middle");
    CHECK(read_from_layers(layers, "etc/group") == "");
    CHECK(read_from_layers({}, "etc/passwd") == "");
}

TEST_CASE("links and strange files in a layer do not lead astray") {
    const TempDir dir;
    const std::string layer = dir / "layer";
    REQUIRE(make_directories(layer + "/etc", 0755).ok());
    REQUIRE(make_directories(layer + "/usr", 0755).ok());
    REQUIRE(write_in_place(layer + "/usr/passwd", "inside", 0644).ok());
    REQUIRE(write_in_place(dir / "secret", "outside", 0644).ok());
    const std::string passwd = layer + "/etc/passwd";
    const auto link = [&](const std::string& target) {
        ::unlink(passwd.c_str());
        REQUIRE(::symlink(target.c_str(), passwd.c_str()) == 0);
        return read_from_layers({layer}, "etc/passwd");
    };
    CHECK(link("/usr/passwd") == "inside");
    CHECK(link("../usr/passwd") == "inside");
    CHECK(link(dir / "secret") == "");
    CHECK(link("../../secret") == "");
    CHECK(link("passwd") == "");  // a ring
    CHECK(link("/proc/self/environ") == "");
    ::unlink(passwd.c_str());
    REQUIRE(::mkfifo(passwd.c_str(), 0644) == 0);
    CHECK(read_from_layers({layer}, "etc/passwd") == "");  // and does not hang
    ::unlink(passwd.c_str());
    REQUIRE(::mkdir(passwd.c_str(), 0755) == 0);
    CHECK(read_from_layers({layer}, "etc/passwd") == "");
}

TEST_CASE("a removed file hides the ones below it") {
    const TempDir dir;
    REQUIRE(make_directories(dir / "top/etc", 0755).ok());
    REQUIRE(make_directories(dir / "bottom/etc", 0755).ok());
    REQUIRE(write_in_place(dir / "bottom/etc/passwd", "old", 0644).ok());
    const std::string whiteout = dir / "top/etc/passwd";
    if (::mknod(whiteout.c_str(), S_IFCHR | 0600, ::makedev(0, 0)) == -1) {
        MESSAGE("no whiteout can be made here");
        return;
    }
    CHECK(read_from_layers({dir / "top", dir / "bottom"}, "etc/passwd") == "");
}
