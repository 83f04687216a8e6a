#include "base/file.h"
#include "base/sys.h"
#include "image/byte_source.h"
#include "image/layer_unpack.h"
#include "tests/image/memory_source.h"
#include "tests/image/unpacking.h"
#include "tests/support/fake_registry.h"
#include "tests/support/skip.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <lzma.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

// Archives made to do harm (H1 and H2 of docs/reliability.md), beyond what unpack_test.cpp and
// limits_test.cpp have.

using namespace davit;
using namespace davit::image;
using davit::testing::look;
using davit::testing::MemorySource;
using davit::testing::packed_by;
using davit::testing::TarWriter;
using davit::testing::TempDir;
using davit::testing::unpack;

namespace {

TarWriter::Entry link_to(const std::string& path, const std::string& target) {
    return {.path = path, .type = '2', .link = target};
}

/// Gives out `member` again and again: data that nobody has to keep to have it.
class EndlessSource : public ByteSource {
public:
    explicit EndlessSource(std::string member) : member_(std::move(member)) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        const std::size_t count = member_.copy(buffer, size, at_);
        at_ = (at_ + count) % member_.size();
        given_ += static_cast<std::int64_t>(count);
        return count;
    }
    std::int64_t given() const { return given_; }

private:
    std::string member_;
    std::size_t at_ = 0;
    std::int64_t given_ = 0;
};

}  // namespace

TEST_CASE("hostile archives change nothing beside their layer (H1)") {
    NEEDS_ROOT();
    const std::string long_name(256, 'n');
    const auto pax = [](const std::string& key, const std::string& value) {
        return TarWriter().add({.path = "f", .pax = {{key, value}}});
    };
    const auto records = [](const std::string& text) {
        return TarWriter().add({.path = "x", .type = 'x', .content = text}).file("f", "");
    };
    const struct {
        const char* name;
        TarWriter tar;
        const char* refused;  ///< Words of the error; empty: it is harmless, and unpacked.
    } cases[] = {
        {"an opaque folder through a link",
         TarWriter().add(link_to("out", "../..")).file("out/.wh..wh..opq", ""), ""},
        {"a whiteout through a link",
         TarWriter().add(link_to("out", "..")).file("out/.wh.canary", ""), ""},
        {"a folder that becomes a link",
         TarWriter().folder("d").add(link_to("d", "..")).file("d/canary", "bad"), ""},
        {"a link over a folder with something in it",
         TarWriter().file("d/in", "").add(link_to("d", "../..")).file("d/canary", "bad"), ""},
        {"a chain of links",
         TarWriter().add(link_to("a", "b")).add(link_to("b", "../..")).file("a/canary", "bad"), ""},
        {"a link in a link's target",
         TarWriter().add(link_to("a", "b/..")).add(link_to("b", "/..")).file("a/canary", "bad"),
         ""},
        {"a folder through a link", TarWriter().add(link_to("out", "..")).folder("out/layer2"), ""},
        {"a device through a link",
         TarWriter().add(link_to("out", "..")).add({.path = "out/canary", .type = '3', .major = 1}),
         ""},
        {"a link through a link",
         TarWriter().add(link_to("out", "..")).add(link_to("out/canary", "/etc/passwd")), ""},
        {"a hard link over a link",
         TarWriter()
             .file("own", "x")
             .add(link_to("l", "../canary"))
             .add({.path = "l", .type = '1', .link = "own"}),
         ""},
        {"a hard link through a folder that is a link",
         TarWriter()
             .add(link_to("out", ".."))
             .add({.path = "f", .type = '1', .link = "out/canary"}),
         "does not have"},
        {"a hard link before its target",
         TarWriter().add({.path = "f", .type = '1', .link = "later"}).file("later", ""),
         "does not have"},
        {"a hard link to a folder",
         TarWriter().folder("d").add({.path = "f", .type = '1', .link = "d"}), "to a folder"},
        {"a hard link to nothing", TarWriter().add({.path = "f", .type = '1', .link = "./"}),
         "to nothing"},
        {"a hard link with dots",
         TarWriter().add({.path = "f", .type = '1', .link = "a/../../canary"}), "leads out"},
        {"a file without a name", TarWriter().file("./", ""), ""},
        {"a link without a name", TarWriter().add(link_to("/", "..")), "has no name"},
        {"a name too long for a file",
         TarWriter()
             .file(long_name.substr(0, 99), "")
             .add({.path = "x", .pax = {{"path", long_name}}}),
         "too long a name"},
        {"a link to a name too long for a path",
         TarWriter().add({.path = "l", .type = '2', .pax = {{"linkpath", std::string(5000, 'l')}}}),
         "longer than 4096"},
        {"a long name of 2 MiB",
         TarWriter().add({.path = "x", .type = 'L', .content = std::string(2 << 20, 'n')}),
         "longer than 1 MiB"},
        {"a NUL in the target of a link",
         TarWriter().add({.path = "l", .type = '2', .pax = {{"linkpath", std::string("a\0b", 3)}}}),
         "NUL"},
        {"a pax record longer than its header", records("9999 path=a\n"), "malformed"},
        {"a pax record of no length", records("0 path=a\n"), "malformed"},
        {"a pax length beyond all numbers", records("99999999999999999999999 path=a\n"),
         "malformed"},
        {"a pax record without an end", records("9 path=a"), "malformed"},
        {"a pax record without a value", records("8 patha\n"), "no '='"},
        {"a pax size beyond all disks", pax("size", "9223372036854775807"), "over"},
        {"a pax size below nothing", pax("size", "-1"), "not a size"},
        {"an owner below nothing", pax("uid", "-1"), "not a size or id"},
        {"an owner beyond all", pax("gid", "4294967296"), "out of range"},
        {"an attribute larger than the kernel's limit",
         pax("SCHILY.xattr.user.big", std::string(70'000, 'x')), "more attributes"},
        {"a name of an attribute without an end",
         pax("SCHILY.xattr.user." + std::string(300, 'n'), "x"), "set attribute"},
        {"garbage instead of a header", TarWriter().file("f", "").bytes(std::string(512, 'g')),
         "checksum"},
    };
    for (const auto& one : cases) {
        CAPTURE(std::string(one.name));
        const TempDir dir;
        REQUIRE(write_in_place(dir / "canary", "untouched", 0644).ok());
        const std::string before = *read_file("/etc/passwd");
        const auto unpacked = unpack(one.tar.finish(), dir / "layer");
        if (*one.refused == '\0') {
            CHECK_MESSAGE(unpacked.ok(), unpacked.error().to_string());
        } else {
            REQUIRE_FALSE(unpacked.ok());
            CHECK_MESSAGE(unpacked.error().to_string().find(one.refused) != std::string::npos,
                          unpacked.error().to_string());
        }
        CHECK(*read_file(dir / "canary") == "untouched");
        CHECK(look(dir / "canary").st_nlink == 1);
        CHECK(list_directory(dir.path())->size() == 2);
        CHECK(::getxattr(dir.path().c_str(), "trusted.overlay.opaque", nullptr, 0) == -1);
        CHECK(*read_file("/etc/passwd") == before);
    }
}

TEST_CASE("nodes of an archive are made and never written to or waited for (H1)") {
    NEEDS_ROOT();
    const TempDir dir;
    const std::string root = dir / "layer";
    TarWriter tar;
    tar.add({.path = "null", .type = '3', .mode = 0666, .major = 1, .minor = 3});
    tar.add({.path = "disk", .type = '4', .mode = 0660, .major = 7, .minor = 300});
    // With content, which nodes don't have; what follows must still be found.
    tar.add({.path = "sized", .type = '6', .size_field = "00000001000"});
    tar.add({.path = "pipe", .type = '6', .mode = 0666});
    tar.file("pipe", "no longer a pipe").file("null-too", "");
    tar.add({.path = "other", .type = '3', .major = 1, .minor = 3}).file("other", "a file now");
    tar.add(link_to("led", "/dev/null")).file("led", "here");
    tar.add({.path = "setuid-folder", .type = '5', .mode = 06755, .uid = 5});
    const auto unpacked = unpack(tar.finish(), root);
    REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().to_string());
    CHECK(S_ISCHR(look(root + "/null").st_mode));
    CHECK(look(root + "/null").st_rdev == ::makedev(1, 3));
    CHECK(S_ISBLK(look(root + "/disk").st_mode));
    CHECK(look(root + "/disk").st_rdev == ::makedev(7, 300));
    CHECK(S_ISFIFO(look(root + "/sized").st_mode));
    CHECK(*read_file(root + "/pipe") == "no longer a pipe");
    CHECK(S_ISREG(look(root + "/other").st_mode));
    CHECK(S_ISREG(look(root + "/led").st_mode));
    CHECK(look(root + "/setuid-folder").st_mode == (S_IFDIR | 06755));
}

TEST_CASE("names may be any bytes that a file system takes (H1)") {
    NEEDS_ROOT();
    const TempDir dir;
    const std::string root = dir / "layer";
    const std::string names[] = {
        "line\nend",           "tab\t and blank ", "latin-\xe9\xff", "-rf",    "\x1b[31mred",
        std::string(255, 'n'), "back\\slash",      ".whatever",      "a.wh.b", "$(reboot)"};
    TarWriter tar;
    for (const std::string& name : names)
        tar.add({.path = "x", .content = name, .pax = {{"path", "d/" + name}}});
    tar.add({.path = "d/latin-link", .type = '2', .link = "latin-\xe9\xff"});
    const auto unpacked = unpack(tar.finish(), root);
    REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().to_string());
    for (const std::string& name : names) CHECK(*read_file(root + "/d/" + name) == name);
    CHECK(list_directory(root + "/d")->size() == std::size(names) + 1);
    CHECK(*read_file(root + "/d/latin-link") == "latin-\xe9\xff");
    // An error that names one can't paint on a terminal.
    const auto refused = unpack(TarWriter().file("\x1b[31m/../x", "").finish(), dir / "refused");
    CHECK(refused.error().to_string().find('\x1b') == std::string::npos);
}

TEST_CASE("attributes are kept on links and nodes too (H1)") {
    NEEDS_ROOT();
    const TempDir dir;
    const std::string root = dir / "layer";
    TarWriter tar;
    const std::map<std::string, std::string> note = {{"SCHILY.xattr.trusted.note", "kept"},
                                                     {"SCHILY.xattr.user.note", "not on these"}};
    tar.file("target", "x");
    tar.add({.path = "link", .type = '2', .link = "target", .pax = note});
    tar.add({.path = "node", .type = '3', .pax = note, .major = 1, .minor = 3});
    const auto unpacked = unpack(tar.finish(), root);
    REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().to_string());
    char value[8] = {};
    CHECK(::lgetxattr((root + "/link").c_str(), "trusted.note", value, sizeof value) == 4);
    CHECK(::lgetxattr((root + "/node").c_str(), "trusted.note", value, sizeof value) == 4);
    CHECK(::lgetxattr((root + "/target").c_str(), "trusted.note", value, sizeof value) == -1);
}

TEST_CASE("bombs are put out before they fill anything (H2)") {
    for (const std::string program : {"gzip", "zstd"}) {
        CAPTURE(program);
        EndlessSource bomb(packed_by(program, std::string(8 << 20, '\0')));
        const auto plain = decompress(bomb);
        REQUIRE(plain.ok());
        std::vector<char> buffer(1 << 20);
        std::int64_t unpacked = 0;
        for (;;) {
            const auto got = (*plain)->read(buffer.data(), buffer.size());
            if (!got) {
                CHECK(got.error().to_string().find("times as large") != std::string::npos);
                break;
            }
            unpacked += static_cast<std::int64_t>(*got);
            REQUIRE(*got > 0);
            REQUIRE(unpacked < std::int64_t{5} << 30U);
        }
        CHECK(bomb.given() < 10 << 20);
    }
}

TEST_CASE("windows of zstd and xz that take all memory are refused (H2)") {
    // A frame of 2 GiB of window with one block of nothing. @source RFC 8878 3.1.1
    MemorySource source(std::string("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9));
    const auto plain = decompress(source);
    REQUIRE(plain.ok());
    char buffer[16];
    CHECK_FALSE((*plain)->read(buffer, sizeof buffer).ok());

    // An xz of one byte, whose block says that its dictionary has 1 GiB. @source xz file format 3.1
    std::string packed(1000, '\0');
    std::size_t size = 0;
    const std::uint8_t byte = 'x';
    REQUIRE(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, nullptr, &byte, 1,
                                    reinterpret_cast<std::uint8_t*>(packed.data()), &size,
                                    packed.size()) == LZMA_OK);
    packed.resize(size);
    constexpr std::size_t kBlock = 12;  // behind the header of the stream
    const std::size_t length = (static_cast<unsigned char>(packed[kBlock]) + 1U) * 4U;
    const std::size_t filter = packed.find("\x21\x01", kBlock);  // LZMA2, one byte of properties
    REQUIRE(filter < kBlock + length);
    packed[filter + 2] = 36;
    const std::uint32_t sum =
        lzma_crc32(reinterpret_cast<const std::uint8_t*>(&packed[kBlock]), length - 4, 0);
    for (unsigned i = 0; i < 4; ++i)
        packed[kBlock + length - 4 + i] = static_cast<char>(sum >> (8 * i));
    MemorySource xz(packed);
    const auto unpacked = decompress(xz);
    REQUIRE(unpacked.ok());
    const auto got = (*unpacked)->read(buffer, sizeof buffer);
    REQUIRE_FALSE(got.ok());
    CHECK(got.error().to_string() ==
          "the xz data needs more than 256 MiB of memory to be unpacked");
}

TEST_CASE("the last bytes of a disk are not for layers (H2)") {
    NEEDS_ROOT();
    const TempDir dir;
    const std::string tar = TarWriter().file("big", std::string(33 << 20, 'x')).finish();
    const auto full = unpack(tar, dir / "full", {.free_bytes = std::int64_t{1} << 60U});
    REQUIRE_FALSE(full.ok());
    CHECK(full.error().error_number() == ENOSPC);
    CHECK(unpack(tar, dir / "fits", {.free_bytes = 1}).ok());
}
