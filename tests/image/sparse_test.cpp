#include "base/file.h"
#include "base/sys.h"
#include "image/layer_unpack.h"
#include "image/tar_reader.h"
#include "tests/image/memory_source.h"
#include "tests/image/unpacking.h"
#include "tests/support/command.h"
#include "tests/support/skip.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temp_dir.h"

#include <cstring>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace davit;
using namespace davit::image;
using davit::testing::MemorySource;
using davit::testing::TarWriter;
using davit::testing::TempDir;
using davit::testing::unpack;

namespace {

constexpr const char* kForms[] = {"--format=gnu", "--format=pax --sparse-version=0.0",
                                  "--format=pax --sparse-version=0.1",
                                  "--format=pax --sparse-version=1.0"};

/// A file of 4 MiB of which little is there: 40 pieces (more than one header block names) and a
/// hole at its end.
std::string make_holey(const std::string& path) {
    std::string text(4 << 20, '\0');
    const UniqueFd file = *sys::open(path, O_WRONLY | O_CREAT | O_EXCL, 0640);
    for (std::size_t i = 0; i < 40; ++i) {
        const std::string piece = "piece " + std::to_string(i);
        const std::size_t at = i * 98304;
        text.replace(at, piece.size(), piece);
        REQUIRE(::pwrite(file.get(), piece.data(), piece.size(), static_cast<off_t>(at)) > 0);
    }
    REQUIRE(::ftruncate(file.get(), static_cast<off_t>(text.size())) == 0);
    return text;
}

std::string tar_of(const TempDir& dir, const std::string& options) {
    const auto made = davit::testing::run(
        {.argv = {"sh", "-c", "tar --sparse " + options + " -C \"$1\" -cf - holey after", "sh",
                  dir.path()}});
    REQUIRE_MESSAGE(made.status == 0, made.err);
    return made.out;
}

std::string padded(std::string text) {
    text.resize((text.size() + 511) / 512 * 512);
    return text;
}

}  // namespace

TEST_CASE("sparse files of all forms of GNU tar have their content and keep their holes") {
    NEEDS_ROOT();
    const TempDir dir;
    const std::string text = make_holey(dir / "holey");
    REQUIRE(write_in_place(dir / "after", "what follows", 0644).ok());
    for (const std::string form : kForms) {
        CAPTURE(form);
        const std::string tar = tar_of(dir, form);
        REQUIRE(tar.size() < 400'000);  // else tar has seen no holes
        const std::string folder = dir / ("root" + form.substr(form.size() - 3));
        const auto unpacked = unpack(tar, folder);
        REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().to_string());
        CHECK(*read_file(folder + "/holey") == text);
        CHECK(*read_file(folder + "/after") == "what follows");
        struct stat info {};
        REQUIRE(::stat((folder + "/holey").c_str(), &info) == 0);
        CHECK(info.st_blocks * 512 < info.st_size / 2);
        CHECK((info.st_mode & 07777U) == 0640);
    }
}

TEST_CASE("a reader that knows nothing of holes gets zeros") {
    const TempDir dir;
    const std::string text = make_holey(dir / "holey");
    REQUIRE(write_in_place(dir / "after", "", 0644).ok());
    for (const std::string form : kForms) {
        CAPTURE(form);
        MemorySource source(tar_of(dir, form));
        TarReader reader(source);
        const auto entry = reader.next();
        REQUIRE(entry.ok());
        REQUIRE(entry->has_value());
        CHECK((*entry)->path == "holey");
        CHECK((*entry)->size == static_cast<std::int64_t>(text.size()));
        std::string found;
        std::vector<char> buffer(5000);
        for (;;) {
            const auto got = reader.read(buffer.data(), buffer.size());
            REQUIRE(got.ok());
            if (*got == 0) break;
            found.append(buffer.data(), *got);
        }
        CHECK(found == text);
    }
}

TEST_CASE("sparse files that lie are refused and take no room") {
    NEEDS_ROOT();
    const auto pax = [](const std::string& size, const std::string& map,
                        const std::string& content) {
        return TarWriter().add({.path = "f",
                                .content = content,
                                .pax = {{"GNU.sparse.size", size}, {"GNU.sparse.map", map}}});
    };
    const auto newest = [](const std::string& size, const std::string& content) {
        return TarWriter().add({.path = "f",
                                .content = content,
                                .pax = {{"GNU.sparse.major", "1"},
                                        {"GNU.sparse.minor", "0"},
                                        {"GNU.sparse.realsize", size}}});
    };
    const struct {
        const char* name;
        TarWriter tar;
        const char* words;
    } cases[] = {
        {"pieces on each other", pax("100", "0,4,2,4", "12345678"), "does not fit"},
        {"pieces backwards", pax("100", "50,4,0,4", "12345678"), "does not fit"},
        {"beyond the end", pax("10", "8,4", "1234"), "does not fit"},
        {"beyond all numbers", pax("10", "9223372036854775807,4", "1234"), "does not fit"},
        {"more than there is", pax("100", "0,400", "1234"), "does not fit"},
        {"less than there is", pax("100", "0,2", "1234"), "other bytes"},
        {"a map that is cut", pax("100", "0,4,8", "1234"), "cut short"},
        {"no numbers", pax("100", "x,4", "1234"), "no number"},
        {"negative", pax("100", "-1,4", "1234"), "no number"},
        {"no size", TarWriter().add({.path = "f", .pax = {{"GNU.sparse.map", "0,0"}}}), "no size"},
        {"a terabyte of nothing", pax("1099511627776", "0,0", ""), "over"},
        {"all that a file can have", pax("9223372036854775807", "0,0", ""), "over"},
        {"a form of tomorrow", TarWriter().add({.path = "f", .pax = {{"GNU.sparse.major", "2"}}}),
         "nobody knows"},
        {"a map without an end", newest("100", padded("3\n0\n4\n")), "no number"},
        {"a map of too many", newest("100", padded("99999999\n")), "more than a million"},
        {"a number without an end", newest("100", std::string(512, '1')), "no number"},
        {"no map", newest("100", "x"), "cut short"},
        {"an old header that goes on with something else",
         TarWriter()
             .add({.path = "f", .type = 'S', .raw = {{482, "\1"}}})
             .bytes(std::string(1024, '1')),
         "does not fit"},
        {"an old header that goes on for ever",
         TarWriter()
             .add({.path = "f", .type = 'S', .raw = {{482, "\1"}}})
             .bytes(std::string(512, '\0').replace(504, 1, "1"))
             .bytes(std::string(512, 'z')),
         "no number"},
    };
    for (const auto& one : cases) {
        CAPTURE(std::string(one.name));
        const TempDir dir;
        const auto unpacked = unpack(one.tar.finish(), dir / "layer");
        REQUIRE_FALSE(unpacked.ok());
        CHECK_MESSAGE(unpacked.error().to_string().find(one.words) != std::string::npos,
                      unpacked.error().to_string());
    }
}
