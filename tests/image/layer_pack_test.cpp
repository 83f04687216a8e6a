#include "image/layer_pack.h"

#include "base/file.h"
#include "base/sys.h"
#include "image/layer_unpack.h"
#include "image/store.h"
#include "tests/image/memory_source.h"
#include "tests/support/command.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

using namespace davit;
using namespace davit::image;
using davit::testing::MemorySource;
using davit::testing::TempDir;

namespace {

class TextSink : public ByteSink {
public:
    Result<void> write(std::string_view bytes) override {
        text += bytes;
        return {};
    }
    std::string text;
};

Result<std::string> pack(const std::string& folder, const PackOptions& options = {}) {
    const UniqueFd root = *sys::open(folder, O_RDONLY | O_DIRECTORY);
    TextSink sink;
    (void)TRY(pack_layer(root, sink, options));
    return sink.text;
}

void unpack_into(const std::string& tar, const std::string& folder) {
    REQUIRE(make_directories(folder, 0755).ok());
    const UniqueFd root = *sys::open(folder, O_RDONLY | O_DIRECTORY);
    MemorySource source(tar);
    const auto unpacked = unpack_layer(source, root, {});
    REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().to_string());
}

void put(const std::string& path, const std::string& text, mode_t mode = 0644) {
    REQUIRE(write_in_place(path, text, mode).ok());
    REQUIRE(::chmod(path.c_str(), mode) == 0);
}

/// What overlayfs keeps of changes: new files, a whiteout, an opaque folder; of every type one.
void make_upper(const std::string& upper) {
    REQUIRE(make_directories(upper + "/etc/opaque", 0755).ok());
    put(upper + "/etc/su", "x", 04755);
    REQUIRE(::chown((upper + "/etc/su").c_str(), 1000, 1001) == 0);
    REQUIRE(::chmod((upper + "/etc/su").c_str(), 04755) == 0);
    REQUIRE(::link((upper + "/etc/su").c_str(), (upper + "/z-same").c_str()) == 0);
    REQUIRE(::symlink("../../outside", (upper + "/etc/soft").c_str()) == 0);
    REQUIRE(::mkfifo((upper + "/pipe").c_str(), 0600) == 0);
    REQUIRE(::mknod((upper + "/null").c_str(), S_IFCHR | 0666, ::makedev(1, 3)) == 0);
    REQUIRE(::mknod((upper + "/etc/gone").c_str(), S_IFCHR, 0) == 0);
    REQUIRE(::setxattr((upper + "/etc/opaque").c_str(), "trusted.overlay.opaque", "y", 1, 0) == 0);
    put(upper + "/etc/opaque/" + std::string(120, 'n'), "long name");
    put(upper + "/noted", "n");
    REQUIRE(::setxattr((upper + "/noted").c_str(), "user.note", "v\0w", 3, 0) == 0);
    const timespec times[2] = {{0, 0}, {1600000000, 123456789}};
    REQUIRE(::utimensat(AT_FDCWD, (upper + "/noted").c_str(), times, 0) == 0);
}

/// Everything about a tree that a layer keeps, as text.
std::string describe(const std::string& folder) {
    const std::string script =
        "cd \"$1\" && find . -mindepth 1 ! -name gone -printf '%P %y %m %U:%G %n %T@ %l\\n' | LC_ALL=C sort && "
        "find . -type f | LC_ALL=C sort | xargs -d '\\n' sha256sum";
    return davit::testing::run({.argv = {"sh", "-c", script, "sh", folder}}).out;
}

}  // namespace

TEST_CASE("what is packed and unpacked is the same tree") {
    NEEDS_ROOT();
    const TempDir dir;
    make_upper(dir / "upper");
    const auto tar = pack(dir / "upper");
    REQUIRE_MESSAGE(tar.ok(), tar.error().to_string());
    unpack_into(*tar, dir / "again");
    CHECK(describe(dir / "upper") == describe(dir / "again"));
    struct stat gone {};
    REQUIRE(::lstat((dir / "again/etc/gone").c_str(), &gone) == 0);
    CHECK(gone.st_mode == S_IFCHR);
    char value[8] = {};
    CHECK(::getxattr((dir / "again/etc/opaque").c_str(), "trusted.overlay.opaque", value, 8) == 1);
    CHECK(::getxattr((dir / "again/noted").c_str(), "user.note", value, 8) == 3);
    CHECK(*pack(dir / "again") == *tar);  // the same tree gives the same bytes

    // GNU tar reads it as well, with the marks of a layer.
    put(dir / "layer.tar", *tar);
    const auto listed = davit::testing::run({.argv = {"tar", "-tf", dir / "layer.tar"}});
    CHECK(listed.status == 0);
    CHECK(listed.err.empty());
    CHECK(listed.out.find("etc/.wh.gone\n") != std::string::npos);
    CHECK(listed.out.find("etc/opaque/.wh..wh..opq\n") != std::string::npos);
    CHECK(listed.out.find(std::string(120, 'n')) != std::string::npos);
}

TEST_CASE("owners of a container's range become those of the image") {
    NEEDS_ROOT();
    const TempDir dir;
    REQUIRE(make_directories(dir / "upper", 0755).ok());
    put(dir / "upper/root", "r");
    put(dir / "upper/user", "u");
    REQUIRE(::chown((dir / "upper/root").c_str(), 700000, 700000) == 0);
    REQUIRE(::chown((dir / "upper/user").c_str(), 701000, 700100) == 0);
    // cap_net_bind_service of a user namespace whose root is 700000.
    const unsigned char capability[24] = {1, 0, 0, 3, 0, 4, 0, 0, 0,    0,    0,    0,
                                          0, 0, 0, 0, 0, 0, 0, 0, 0x60, 0xae, 0x0a, 0};
    REQUIRE(::setxattr((dir / "upper/root").c_str(), "security.capability", capability,
                       sizeof capability, 0) == 0);
    PackOptions options;
    options.uids = options.gids = {{0, 700000, 65536}};
    const auto tar = pack(dir / "upper", options);
    REQUIRE_MESSAGE(tar.ok(), tar.error().to_string());
    unpack_into(*tar, dir / "again");
    struct stat info {};
    REQUIRE(::lstat((dir / "again/root").c_str(), &info) == 0);
    CHECK(info.st_uid == 0);
    unsigned char found[64];
    CHECK(::getxattr((dir / "again/root").c_str(), "security.capability", found, sizeof found) ==
          20);
    REQUIRE(::lstat((dir / "again/user").c_str(), &info) == 0);
    CHECK(info.st_uid == 1000);
    CHECK(info.st_gid == 100);

    REQUIRE(::chown((dir / "upper/user").c_str(), 5, 700000) == 0);
    const auto foreign = pack(dir / "upper", options);
    REQUIRE_FALSE(foreign.ok());
    CHECK(foreign.error().to_string().find("'user'") != std::string::npos);
}

TEST_CASE("late times are clamped, sockets and unwanted paths are left out") {
    NEEDS_ROOT();
    const TempDir dir;
    REQUIRE(make_directories(dir / "upper/proc/deep", 0755).ok());
    put(dir / "upper/file", "f");
    put(dir / "upper/proc/deep/x", "x");
    PackOptions options;
    options.latest_mtime = 1500000000;
    options.wanted = [](const std::string& path) { return path != "proc"; };
    const std::string tar = *pack(dir / "upper", options);
    unpack_into(tar, dir / "again");
    struct stat info {};
    REQUIRE(::lstat((dir / "again/file").c_str(), &info) == 0);
    CHECK(info.st_mtim.tv_sec == 1500000000);
    CHECK(info.st_mtim.tv_nsec == 0);
    CHECK_FALSE(exists(dir / "again/proc"));
}

TEST_CASE("a changed tree becomes an image on top of another") {
    NEEDS_ROOT();
    const TempDir dir;
    Store store = *Store::open(dir / "data");
    make_upper(dir / "upper");
    const auto first = store.commit({.upper = dir / "upper",
                                     .changes = {"CMD [\"run\"]"},
                                     .created_by = "COPY",
                                     .names = {"made:1"}});
    REQUIRE_MESSAGE(first.ok(), first.error().to_string());
    REQUIRE(make_directories(dir / "next", 0755).ok());
    put(dir / "next/second", "2");
    Store::CommitRequest request;
    request.base = "made:1";
    request.upper = dir / "next";
    request.changes = {"ENV A=b"};
    request.names = {"made:2"};
    const auto second = store.commit(request);
    REQUIRE_MESSAGE(second.ok(), second.error().to_string());
    request.upper.clear();
    request.base = *second;
    request.names.clear();
    request.changes = {"USER app"};
    const auto third = store.commit(request);
    REQUIRE_MESSAGE(third.ok(), third.error().to_string());
    const auto image = store.find(*third);
    REQUIRE(image.ok());
    CHECK(image->config.cmd == std::vector<std::string>{"run"});
    CHECK(image->config.env == std::vector<std::string>{"A=b"});
    CHECK(image->config.user == "app");
    REQUIRE(image->layers.size() == 2);
    CHECK(*read_file(image->layers[0] + "/second") == "2");
    CHECK(describe(image->layers[1]) == describe(dir / "upper"));
    CHECK(list_directory(dir / "data/images/tmp")->empty());

    // Whole as a layout, layers and all.
    const auto copied =
        davit::testing::run({.argv = {"skopeo", "copy", "--insecure-policy",
                                      "oci:" + dir.path() + "/data/images:docker.io/library/made:2",
                                      "dir:" + dir.path() + "/copy"}});
    if (copied.status == 127) SKIP_TEST("skopeo is not installed");
    CHECK_MESSAGE(copied.status == 0, copied.err);

    request.base = "made:9";
    CHECK_FALSE(store.commit(request).ok());
    REQUIRE(store.remove(*third, {}, true).ok());
    REQUIRE(store.remove("made:2", {}, true).ok());
    REQUIRE(store.remove("made:1", {}, true).ok());
    CHECK(list_directory(dir / "data/layers")->empty());
    CHECK(list_directory(dir / "data/images/blobs/sha256")->empty());
}
