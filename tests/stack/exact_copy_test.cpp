#include "stack/exact_copy.h"

#include "base/file.h"
#include "base/sys.h"
#include "tests/support/command.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

using namespace davit;
using namespace davit::stack;
using davit::testing::TempDir;

namespace {

/// A tree with everything in it that a file system can have.
void make_tree(const std::string& folder) {
    const std::string script =
        "mkdir -p \"$1/a/b/c\" && cd \"$1\" && echo one > a/one && ln a/one a/b/same && "
        "ln -s ../nowhere a/link && mkfifo a/pipe && mknod a/null c 1 3 && mknod a/gone c 0 0 && "
        "chmod 4755 a/one && chown 1000:70000 a/b && chmod 1777 a/b && "
        "truncate -s 8M a/holey && echo middle | dd of=a/holey bs=1 seek=4000000 conv=notrunc "
        "2>/dev/null && printf 'x' > 'a/line\nend' && touch -d @0.123456789 a/one && "
        "python3 -c 'import os, socket; os.setxattr(\"a/b\", \"trusted.overlay.opaque\", b\"y\"); "
        "os.setxattr(\"a/one\", \"user.note\", b\"a\\0b\"); "
        "os.setxattr(\"a/link\", \"trusted.note\", b\"l\", follow_symlinks=False); "
        "socket.socket(socket.AF_UNIX).bind(\"a/socket\")' && "
        "touch -d @1500000000 a/b a";
    const auto made = davit::testing::run({.argv = {"sh", "-c", script, "sh", folder}});
    REQUIRE_MESSAGE(made.status == 0, made.err);
}

std::string describe(const std::string& folder) {
    const auto described = davit::testing::run(
        {.argv = {"python3", DAVIT_SOURCE_DIR "/tests/support/describe_tree.py", folder}});
    REQUIRE_MESSAGE(described.status == 0, described.err);
    return described.out.substr(described.out.find('\n') + 1);  // the root is the caller's
}

UniqueFd open_folder(const std::string& path) { return *sys::open(path, O_RDONLY | O_DIRECTORY); }

struct Copy {
    Copy() {
        make_tree(dir / "from");
        REQUIRE(make_directories(dir / "to", 0755).ok());
        const auto copied = copy_exactly(open_folder(dir / "from"), open_folder(dir / "to"), {});
        REQUIRE_MESSAGE(copied.ok(), copied.error().to_string());
    }
    std::optional<std::string> difference(Likeness likeness) const {
        const auto found =
            find_difference(open_folder(dir / "from"), open_folder(dir / "to"), likeness, {});
        REQUIRE_MESSAGE(found.ok(), found.error().to_string());
        return *found;
    }
    void change(const std::string& script) const {
        const auto done =
            davit::testing::run({.argv = {"sh", "-c", "cd \"$1\" && " + script, "sh", dir / "to"}});
        REQUIRE_MESSAGE(done.status == 0, done.err);
    }
    TempDir dir;
};

}  // namespace

TEST_CASE("a copy has everything that its original has") {
    NEEDS_ROOT();
    const Copy copy;
    CHECK(describe(copy.dir / "to") == describe(copy.dir / "from"));
    CHECK_FALSE(copy.difference(Likeness::Contents));
    struct stat info {};
    REQUIRE(::stat((copy.dir / "to/a/holey").c_str(), &info) == 0);
    CHECK(info.st_blocks * 512 < 1 << 20);
    char value[4];
    CHECK(::getxattr((copy.dir / "to/a/b").c_str(), "trusted.overlay.opaque", value, 4) == 1);
}

TEST_CASE("every difference of two trees is found") {
    NEEDS_ROOT();
    const Copy copy;
    std::string expected = "a/b/same";  // the first of the two names of that file
    bool also_by_metadata = true;
    SUBCASE("another byte") {
        copy.change(
            "printf 'O' | dd of=a/one conv=notrunc 2>/dev/null && touch -d @0.123456789 a/one");
        also_by_metadata = false;
    }
    SUBCASE("another size") { copy.change("echo more >> a/one"); }
    SUBCASE("another time") { copy.change("touch -d @0.123456788 a/one"); }
    SUBCASE("another mode") { copy.change("chmod 755 a/one"); }
    SUBCASE("another owner") { copy.change("chown 1 a/one && chmod 4755 a/one"); }
    SUBCASE("another attribute") {
        copy.change("python3 -c 'import os; os.setxattr(\"a/one\", \"user.note\", b\"a\\0c\")'");
        also_by_metadata = false;
    }
    SUBCASE("a name more") {
        copy.change("touch a/b/more && touch -d @1500000000 a/b");
        expected = "a/b";
    }
    SUBCASE("a name less") {
        copy.change("rmdir a/b/c && touch -d @1500000000 a/b");
        expected = "a/b";
    }
    SUBCASE("another target") {
        copy.change(
            "t=$(stat -c %y a/link); ln -sfn ../nowhera "
            "a/link && touch -hd \"$t\" a/link && touch -d @1500000000 a");
        expected = "a/link";
    }
    SUBCASE("another device") {
        copy.change(
            "t=$(stat -c %y a/null); rm a/null && mknod a/null c 1 5 && touch -d \"$t\" a/null "
            "&& touch -d @1500000000 a");
        expected = "a/null";
    }
    SUBCASE("two files instead of one with two names") {
        copy.change("cp -a a/b/same x && mv x a/b/same && touch -d @1500000000 a/b");
        expected = "a/one";
    }
    const auto by_contents = copy.difference(Likeness::Contents);
    REQUIRE(by_contents.has_value());
    // a/one and a/b/same are one file: whichever the folder's order brings first.
    const bool its_other_name = expected == std::string("a/one") && *by_contents == "a/b/same";
    CHECK_MESSAGE((*by_contents == expected || its_other_name), *by_contents);
    CHECK(copy.difference(Likeness::Metadata).has_value() == also_by_metadata);
}

TEST_CASE("what is left out is no difference, and a copy can be broken off") {
    NEEDS_ROOT();
    const TempDir dir;
    make_tree(dir / "from");
    REQUIRE(make_directories(dir / "to", 0755).ok());
    ExactCopyOptions options;
    options.wanted = [](const std::string& path) { return path != "a/b"; };
    std::int64_t bytes = 0;
    options.on_bytes = [&](std::int64_t more) { bytes += more; };
    REQUIRE(copy_exactly(open_folder(dir / "from"), open_folder(dir / "to"), options).ok());
    CHECK_FALSE(exists(dir / "to/a/b"));
    CHECK(bytes > 4);
    CHECK(bytes < 1 << 20);  // holes are not read
    CHECK_FALSE(find_difference(open_folder(dir / "from"), open_folder(dir / "to"),
                                Likeness::Contents, options)
                    ->has_value());
    REQUIRE(make_directories(dir / "other", 0755).ok());
    options.cancelled = [] { return true; };
    const auto broken =
        copy_exactly(open_folder(dir / "from"), open_folder(dir / "other"), options);
    REQUIRE_FALSE(broken.ok());
    CHECK(broken.error().kind() == ErrorKind::Cancelled);
}
