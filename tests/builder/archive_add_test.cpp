#include "builder/archive_add.h"

#include "base/file.h"
#include "base/sys.h"
#include "tests/support/skip.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

namespace davit::builder {
namespace {

using davit::testing::TarWriter;
using davit::testing::TempDir;

bool has(const std::string& path, const char* attribute) {
    return ::lgetxattr(path.c_str(), attribute, nullptr, 0) >= 0;
}

}  // namespace

TEST_CASE("ADD keeps the capabilities and attributes of an archive, but not those of overlayfs") {
    NEEDS_ROOT();
    const TempDir dir;
    // cap_net_raw+ep, version 2. @source capabilities(7), "File capability versioning"
    const std::string capability("\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    const std::string tar = TarWriter()
                                .add({.path = "ping",
                                      .content = "x",
                                      .mode = 0755,
                                      .uid = 7,
                                      .pax = {{"SCHILY.xattr.security.capability", capability},
                                              {"SCHILY.xattr.user.note", "hi"},
                                              {"SCHILY.xattr.user.overlay.redirect", "/etc"},
                                              {"SCHILY.xattr.trusted.overlay.redirect", "/etc"},
                                              {"SCHILY.xattr.trusted.mine", "x"}}})
                                .add({.path = "folder",
                                      .type = '5',
                                      .mode = 0755,
                                      .pax = {{"SCHILY.xattr.user.note", "hi"},
                                              {"SCHILY.xattr.trusted.overlay.opaque", "y"}}})
                                .add({.path = "link",
                                      .type = '2',
                                      .link = "/etc/passwd",
                                      .pax = {{"SCHILY.xattr.user.note", "hi"}}})
                                .finish();
    REQUIRE(write_in_place(dir / "a.tar", tar, 0644).ok());
    REQUIRE(make_directories(dir / "root", 0755).ok());
    const UniqueFd root = *sys::open(dir / "root", O_RDONLY | O_DIRECTORY);
    const auto unpacked = unpack_archive(*sys::open(dir / "a.tar", O_RDONLY), root, "un");
    REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().to_string());

    const std::string ping = dir / "root/un/ping";
    char value[64] = {};
    REQUIRE(::lgetxattr(ping.c_str(), "security.capability", value, sizeof value) == 20);
    CHECK(std::string(value, 20) == capability);
    struct stat info {};
    REQUIRE(::stat(ping.c_str(), &info) == 0);
    CHECK(info.st_uid == 7);
    CHECK(has(ping, "user.note"));
    CHECK(has(dir / "root/un/folder", "user.note"));
    for (const char* name : {"user.overlay.redirect", "trusted.overlay.redirect", "trusted.mine"}) {
        CAPTURE(name);
        CHECK_FALSE(has(ping, name));
    }
    CHECK_FALSE(has(dir / "root/un/folder", "trusted.overlay.opaque"));
    // A link takes none, and what it leads to is another's.
    CHECK_FALSE(has("/etc/passwd", "user.note"));
}

}  // namespace davit::builder
