#include "base/file.h"
#include "base/sys.h"
#include "image/layer_unpack.h"
#include "tests/image/unpacking.h"
#include "tests/support/skip.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

using namespace davit;
using namespace davit::image;
using davit::testing::look;
using davit::testing::TarWriter;
using davit::testing::TempDir;
using davit::testing::unpack;

TEST_CASE("a layer is unpacked with owners modes times and links") {
    NEEDS_ROOT();
    const TempDir dir;
    const std::string root = dir / "layer";
    TarWriter tar;
    tar.folder("./");
    tar.add({.path = "./etc/", .type = '5', .mode = 0750, .uid = 3, .gid = 4, .mtime = 1600000000});
    tar.add({.path = "./etc/su", .content = "x", .mode = 04755, .uid = 1000, .gid = 1001});
    tar.add({.path = "./etc/same", .type = '1', .link = "etc/su"});
    tar.add({.path = "./etc/soft", .type = '2', .link = "../../outside"});
    tar.add({.path = "./pipe", .type = '6', .mode = 0600});
    tar.file("deep/er/file", "made with its folders");
    tar.add({.path = "x", .content = "long", .pax = {{"path", std::string(150, 'n') + "/f"}}});
    const auto unpacked = unpack(tar.finish(), root);
    REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().to_string());
    const struct stat su = look(root + "/etc/su");
    CHECK(su.st_mode == (S_IFREG | 04755));
    CHECK(su.st_uid == 1000);
    CHECK(su.st_gid == 1001);
    CHECK(su.st_mtime == 1700000000);
    CHECK(look(root + "/etc/same").st_ino == su.st_ino);
    CHECK(look(root + "/etc").st_mode == (S_IFDIR | 0750));
    CHECK(look(root + "/etc").st_mtime == 1600000000);
    CHECK(S_ISLNK(look(root + "/etc/soft").st_mode));
    CHECK(S_ISFIFO(look(root + "/pipe").st_mode));
    CHECK(*read_file(root + "/deep/er/file") == "made with its folders");
    CHECK(*read_file(root + "/" + std::string(150, 'n') + "/f") == "long");
}

TEST_CASE("whiteouts take the form that overlayfs reads") {
    NEEDS_ROOT();
    const TempDir dir;
    const std::string root = dir / "layer";
    TarWriter tar;
    tar.folder("a").file("a/.wh.gone", "").folder("b").file("b/.wh..wh..opq", "");
    tar.file("a/.wh.kept", "").file("a/kept", "still here").file("a/.wh..wh.plnk", "");
    REQUIRE(unpack(tar.finish(), root).ok());
    const struct stat gone = look(root + "/a/gone");
    CHECK(S_ISCHR(gone.st_mode));
    CHECK(gone.st_rdev == ::makedev(0, 0));
    CHECK(*read_file(root + "/a/kept") == "still here");
    CHECK_FALSE(exists(root + "/a/.wh..wh.plnk"));
    char value[8] = {};
    CHECK(::getxattr((root + "/b").c_str(), "trusted.overlay.opaque", value, sizeof value) == 1);
    CHECK(value[0] == 'y');
}

TEST_CASE("attributes of the archive are kept but not those of overlayfs") {
    NEEDS_ROOT();
    const TempDir dir;
    const std::string root = dir / "layer";
    const std::string capability(
        "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
    TarWriter tar;
    tar.add({.path = "ping",
             .content = "x",
             .uid = 5,
             .pax = {{"SCHILY.xattr.security.capability", capability},
                     {"SCHILY.xattr.trusted.overlay.redirect", "/etc"},
                     {"SCHILY.xattr.user.note", "hi"}}});
    REQUIRE(unpack(tar.finish(), root).ok());
    char value[64] = {};
    CHECK(::getxattr((root + "/ping").c_str(), "security.capability", value, sizeof value) == 20);
    CHECK(::getxattr((root + "/ping").c_str(), "user.note", value, sizeof value) == 2);
    CHECK(::getxattr((root + "/ping").c_str(), "trusted.overlay.redirect", value, sizeof value) ==
          -1);
}

TEST_CASE("attributes in libarchive's form are kept where star's form is not there") {
    NEEDS_ROOT();
    const TempDir dir;
    const std::string root = dir / "layer";
    TarWriter tar;
    tar.add({.path = "f",
             .content = "x",
             .pax = {{"LIBARCHIVE.xattr.user.one", "aGk"},         // "hi", without '='
                     {"LIBARCHIVE.xattr.user.a%3Db", "AAECAw=="},  // "user.a=b": 0 1 2 3
                     {"LIBARCHIVE.xattr.user.empty", ""},
                     {"LIBARCHIVE.xattr.user.both", "bG9zZXM="},
                     {"LIBARCHIVE.xattr.trusted.overlay.opaque", "eQ=="},
                     {"SCHILY.xattr.user.both", "wins"}}});
    REQUIRE(unpack(tar.finish(), root).ok());
    const auto attribute = [&](const char* name) {
        char value[64] = {};
        const ssize_t size = ::getxattr((root + "/f").c_str(), name, value, sizeof value);
        return size < 0 ? std::string("none") : std::string(value, static_cast<std::size_t>(size));
    };
    CHECK(attribute("user.one") == "hi");
    CHECK(attribute("user.a=b") == std::string("\0\1\2\3", 4));
    CHECK(attribute("user.empty").empty());
    CHECK(attribute("user.both") == "wins");
    CHECK(attribute("trusted.overlay.opaque") == "none");

    TarWriter damaged;
    damaged.add({.path = "f", .content = "x", .pax = {{"LIBARCHIVE.xattr.user.x", "a*b"}}});
    const auto refused = unpack(damaged.finish(), dir / "other");
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().to_string().find("'user.x' is not base64") != std::string::npos);
}

TEST_CASE("what comes twice in a layer is what came last") {
    NEEDS_ROOT();
    const TempDir dir;
    const std::string root = dir / "layer";
    TarWriter tar;
    tar.file("x", "first")
        .file("x", "second")
        .folder("d")
        .file("d/in", "1")
        .file("d", "now a file");
    tar.file("e", "file").folder("e").file("e/in", "2");
    tar.folder("real")
        .add({.path = "alias", .type = '2', .link = "real"})
        .file("alias/f", "through");
    REQUIRE(unpack(tar.finish(), root).ok());
    CHECK(*read_file(root + "/x") == "second");
    CHECK(*read_file(root + "/d") == "now a file");
    CHECK(*read_file(root + "/e/in") == "2");
    CHECK(*read_file(root + "/real/f") == "through");
}

TEST_CASE("nothing in an archive reaches out of its layer") {
    NEEDS_ROOT();
    struct Case {
        const char* name;
        TarWriter tar;
        bool refused;
    };
    const TempDir outside;
    const std::string huge = std::string("\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
    const Case cases[] = {
        {"dots", TarWriter().file("../canary", "bad"), true},
        {"dots inside", TarWriter().file("a/../../canary", "bad"), true},
        {"absolute", TarWriter().file("/canary", "inside"), false},
        {"through a link",
         TarWriter().add({.path = "out", .type = '2', .link = "../.."}).file("out/canary", "bad"),
         false},
        {"through an absolute link",
         TarWriter()
             .add({.path = "out", .type = '2', .link = outside.path()})
             .file("out/canary", "bad"),
         false},
        {"over a link",
         TarWriter().add({.path = "f", .type = '2', .link = "../canary"}).file("f", "bad"), false},
        {"hard link out", TarWriter().add({.path = "f", .type = '1', .link = "../canary"}), true},
        {"hard link to a host file",
         TarWriter().add({.path = "f", .type = '1', .link = "/etc/hostname"}), true},
        {"hard link through a link",
         TarWriter()
             .add({.path = "l", .type = '2', .link = "../canary"})
             .add({.path = "f", .type = '1', .link = "l"})
             .file("f", "bad"),
         false},
        {"whiteout of dots", TarWriter().file(".wh...", ""), true},
        {"whiteout of nothing", TarWriter().file(".wh.", ""), true},
        {"negative size", TarWriter().add({.path = "f", .size_field = "-0000000001"}), true},
        {"huge size", TarWriter().add({.path = "f", .size_field = huge}), true},
        {"unknown type", TarWriter().add({.path = "f", .type = 'Z'}), true},
        {"a NUL in a name",
         TarWriter().add({.path = "x", .pax = {{"path", std::string("a\0b", 3)}}}), true},
        {"a broken pax record", TarWriter().add({.path = "x", .type = 'x', .content = "99 a=b\n"}),
         true}};
    for (const Case& c : cases) {
        CAPTURE(std::string(c.name));
        const TempDir dir;
        REQUIRE(write_in_place(dir / "canary", "untouched", 0644).ok());
        const auto unpacked = unpack(c.tar.finish(), dir / "layer");
        CHECK(unpacked.ok() == !c.refused);
        CHECK(*read_file(dir / "canary") == "untouched");
        CHECK(list_directory(outside.path())->empty());
        CHECK(list_directory(dir.path())->size() == 2);
    }
}

TEST_CASE("an archive that is cut short or too large is refused") {
    NEEDS_ROOT();
    const TempDir dir;
    const std::string whole = TarWriter().file("f", std::string(5000, 'x')).finish();
    for (const std::size_t length : {std::size_t{100}, std::size_t{600}, std::size_t{5000}}) {
        const auto cut = unpack(whole.substr(0, length), dir / std::to_string(length));
        REQUIRE_FALSE(cut.ok());
        CHECK(cut.error().to_string().find("cut short") != std::string::npos);
    }
    CHECK_FALSE(unpack(whole, dir / "bytes", {.bytes = 4999}).ok());
    CHECK_FALSE(
        unpack(TarWriter().file("a", "").file("b", "").finish(), dir / "entries", {.entries = 1})
            .ok());
    std::string wrong = whole;
    wrong[0] = 'g';  // and the checksum says 'f'
    CHECK_FALSE(unpack(wrong, dir / "checksum").ok());
}

TEST_CASE("a folder that a layer hides and makes anew shows nothing from below") {
    NEEDS_ROOT();
    const TempDir dir;
    const std::string root = dir / "layer";
    TarWriter tar;
    tar.file(".wh.before", "").folder("before").file("before/f", "");
    tar.folder("after").file("after/f", "").file(".wh.after", "");
    tar.file(".wh.implied", "").file("implied/f", "");
    tar.folder("plain");
    const auto unpacked = unpack(tar.finish(), root);
    REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().to_string());
    const auto opaque = [&](const std::string& folder) {
        char value[8] = {};
        return ::getxattr((root + "/" + folder).c_str(), "trusted.overlay.opaque", value,
                          sizeof value) == 1;
    };
    CHECK(opaque("before"));
    CHECK(opaque("after"));
    CHECK(opaque("implied"));
    CHECK_FALSE(opaque("plain"));
}

TEST_CASE("folders without an entry of their own have the time of what they were made for") {
    NEEDS_ROOT();
    const TempDir dir;
    TarWriter tar;
    tar.add({.path = "a/b/first", .mtime = 1500000000});
    tar.add({.path = "a/b/second", .mtime = 1600000000});
    tar.add({.path = "said/f", .mtime = 1500000000});
    tar.add({.path = "said", .type = '5', .mode = 0755, .mtime = 1400000000});
    REQUIRE(unpack(tar.finish(), dir / "layer").ok());
    CHECK(look(dir / "layer/a").st_mtime == 1500000000);
    CHECK(look(dir / "layer/a/b").st_mtime == 1500000000);
    CHECK(look(dir / "layer/said").st_mtime == 1400000000);
}

TEST_CASE("times are kept to the nanosecond and for every folder") {
    NEEDS_ROOT();
    const TempDir dir;
    const std::string root = dir / "layer";
    TarWriter tar;
    tar.add({.path = "./", .type = '5', .mode = 0755, .mtime = 1500000000});
    tar.add({.path = "d", .type = '5', .mode = 0755, .mtime = 1500000001});
    tar.add({.path = "d/f", .content = "x", .pax = {{"mtime", "1700000000.123456789"}}});
    tar.add({.path = "d", .type = '5', .mode = 0755, .mtime = 1500000002});
    tar.add({.path = "old", .pax = {{"mtime", "-1.5"}}});
    REQUIRE(unpack(tar.finish(), root).ok());
    CHECK(look(root).st_mtime == 1500000000);
    CHECK(look(root + "/d").st_mtime == 1500000002);
    CHECK(look(root + "/d/f").st_mtim.tv_sec == 1700000000);
    CHECK(look(root + "/d/f").st_mtim.tv_nsec == 123456789);
    for (const char* bad : {"nan", "inf", "1e400", "x", "1.", "1.2x"}) {
        CAPTURE(std::string(bad));
        const auto refused =
            unpack(TarWriter().add({.path = "f", .pax = {{"mtime", bad}}}).finish(), dir / "bad");
        CHECK(refused.ok() == (std::string(bad) == "1."));
    }
}
