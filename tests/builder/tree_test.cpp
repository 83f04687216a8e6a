#include "builder/tree.h"

#include "base/file.h"
#include "base/sys.h"
#include "tests/support/command.h"
#include "tests/support/temp_dir.h"
#include "tests/support/text.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <map>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::builder {
namespace {

using davit::testing::file_text;
using davit::testing::TempDir;

/// A folder with files, links and modes, and another one to copy into. Owners are this user's, so
/// that it takes no root.
class Trees {
public:
    Trees() {
        const auto made = davit::testing::run(
            {.argv = davit::testing::sh(
                 "mkdir -p app/lib empty && echo main > app/main && echo a > app/lib/a && "
                 "ln -s lib/a app/link && ln -s /etc/passwd app/out && ln -s lib app/folder && "
                 "echo run > app/run && chmod 750 app/run && chmod 700 app/lib && "
                 "touch -d @1600000000 app/main app/lib && echo 1 > a1 && echo 2 > a2"),
             .folder = from.path()});
        REQUIRE(made.status == 0);
    }

    Result<std::vector<Selection>> select(const std::string& pattern,
                                          const SelectOptions& options = {}) const {
        return select_items(source(), pattern, options);
    }
    /// Copies what the pattern means to `to`/destination.
    Result<void> copy(const std::string& pattern, const std::string& destination,
                      CopyAttributes attributes = {}) const {
        if (!attributes.owner) attributes.owner = Owner{::geteuid(), ::getegid()};
        const auto selections = TRY(select(pattern));
        for (const Selection& one : selections)
            TRY(copy_items(source(), one.items, to_fd, destination, attributes));
        return {};
    }
    std::string digest(const std::string& pattern, const CopyAttributes& attributes = {}) const {
        const auto selections = select(pattern);
        REQUIRE(selections.ok());
        return *digest_of(source(), selections->front().items, attributes);
    }
    TreeSource source() const { return {&from_fd, ignore, false}; }

    TempDir from;
    TempDir to;
    UniqueFd from_fd = *sys::open(from.path(), O_RDONLY | O_DIRECTORY);
    UniqueFd to_fd = *sys::open(to.path(), O_RDONLY | O_DIRECTORY);
    const IgnoreFile* ignore = nullptr;
};

/// "lib/a lib app": the targets of all items, in order.
std::string targets(const Result<std::vector<Selection>>& selections) {
    if (!selections) return selections.error().to_string();
    std::string text;
    for (const Selection& selection : *selections) {
        text += fmt::format("{}{}:", selection.name, selection.folder ? "/" : "");
        for (const TreeItem& item : selection.items) text += " " + item.target;
        text += "\n";
    }
    return text;
}

mode_t mode_at(const std::string& path) {
    struct stat info {};
    REQUIRE(::lstat(path.c_str(), &info) == 0);
    return info.st_mode & 07777;
}

}  // namespace

TEST_CASE("a source word chooses a file, the contents of a folder, or all that a pattern fits") {
    const Trees trees;
    CHECK(targets(trees.select("a1")) == "a1: \n");
    CHECK(targets(trees.select("app/lib")) == "lib/:  a\n");
    CHECK(targets(trees.select("a?")) == "a1: \na2: \n");
    CHECK(targets(trees.select("/../a1")) == "a1: \n");
    CHECK(targets(trees.select("app/l*")) == "lib/:  a\nlink: \n");
    CHECK(targets(trees.select("app/lib", {.parents = true})) == "lib/: app/lib app/lib/a\n");
    CHECK(targets(trees.select("app/./lib", {.parents = true})) == "lib/: lib lib/a\n");
    CHECK(targets(trees.select("none")) == "'none' is not in the build context");
}

TEST_CASE("a pattern may mean nothing, and a path may not") {
    const Trees trees;
    for (const char* pattern : {"none*", "none?", "no[ne]*", "none/*", "a*/none", "app/no*/x"}) {
        CAPTURE(pattern);
        const auto selections = trees.select(pattern);
        REQUIRE(selections.ok());
        CHECK(selections->empty());
    }
    CHECK(targets(trees.select("none\\*")) == "'none\\*' is not in the build context");
    CHECK(targets(trees.select("a*", {.literal = true})) == "'a*' is not in the build context");
    REQUIRE(write_in_place(trees.from / "a*", "star", 0644).ok());
    CHECK(targets(trees.select("a*", {.literal = true})) == "a*: \n");
    CHECK(targets(trees.select("a\\*")) == "a*: \n");
}

TEST_CASE("what .dockerignore leaves out is neither chosen nor missed") {
    Trees trees;
    const auto rules = IgnoreFile::of_patterns({"app/lib", "a1"});
    REQUIRE(rules.ok());
    trees.ignore = &*rules;
    CHECK(targets(trees.select("app")) == "app/:  folder link main out run\n");
    const auto left_out = trees.select("a1");
    REQUIRE(!left_out.ok());
    CHECK(left_out.error().help() == ".dockerignore leaves it out");
}

TEST_CASE("a copy has contents, modes, times and links, and nothing of where links lead") {
    const Trees trees;
    REQUIRE(trees.copy("app", "in/side").ok());
    CHECK(file_text(trees.to / "in/side/main") == "main\n");
    CHECK(file_text(trees.to / "in/side/lib/a") == "a\n");
    CHECK(mode_at(trees.to / "in/side/run") == 0750);
    CHECK(mode_at(trees.to / "in/side/lib") == 0700);
    CHECK(mode_at(trees.to / "in") == 0755);
    char link[64] = {};
    CHECK(::readlink((trees.to / "in/side/out").c_str(), link, sizeof link - 1) == 11);
    CHECK(std::string(link) == "/etc/passwd");
    struct stat info {};
    REQUIRE(::stat((trees.to / "in/side/main").c_str(), &info) == 0);
    CHECK(info.st_mtime == 1600000000);
    REQUIRE(::stat((trees.to / "in/side/lib").c_str(), &info) == 0);
    CHECK(info.st_mtime == 1600000000);
}

TEST_CASE("a copy replaces files and links, merges folders, and follows links inside alone") {
    const Trees trees;
    REQUIRE(davit::testing::run(
                {.argv = davit::testing::sh("mkdir -p d/lib real && echo old > d/main && echo mine "
                                            "> d/lib/mine && ln -s /etc/hostname d/run && "
                                            "ln -s /real through"),
                 .folder = trees.to.path()})
                .status == 0);
    REQUIRE(trees.copy("app", "d").ok());
    CHECK(file_text(trees.to / "d/main") == "main\n");
    CHECK(file_text(trees.to / "d/lib/mine") == "mine\n");
    CHECK(mode_at(trees.to / "d/run") == 0750);  // the link is gone, and nothing behind it changed
    REQUIRE(trees.copy("a1", "through/x").ok());
    CHECK(file_text(trees.to / "real/x") == "1\n");
    CHECK(!exists("/real/x"));

    REQUIRE(write_in_place(trees.to / "file", "", 0644).ok());
    const auto refused = trees.copy("a1", "file/x");
    REQUIRE(!refused.ok());
    CHECK(refused.error().kind() == ErrorKind::InvalidInput);
}

TEST_CASE("names of one file stay names of one file") {
    const Trees trees;
    REQUIRE(::link((trees.from / "app/main").c_str(), (trees.from / "app/again").c_str()) == 0);
    const std::string linked = trees.digest("app");
    REQUIRE(trees.copy("app", "x").ok());
    struct stat one {};
    struct stat other {};
    REQUIRE(::stat((trees.to / "x/main").c_str(), &one) == 0);
    REQUIRE(::stat((trees.to / "x/again").c_str(), &other) == 0);
    CHECK(one.st_ino == other.st_ino);
    REQUIRE(::stat((trees.from / "app/main").c_str(), &other) == 0);
    CHECK(one.st_ino != other.st_ino);
    REQUIRE(davit::testing::run({.argv = davit::testing::sh("cp -p app/main t && mv t app/again"),
                                 .folder = trees.from.path()})
                .status == 0);
    CHECK(trees.digest("app") != linked);
}

TEST_CASE("a mode that is asked for holds for files and folders") {
    const Trees trees;
    REQUIRE(trees.copy("app", "x", {.owner = {}, .mode = 0711}).ok());
    CHECK(mode_at(trees.to / "x/main") == 0711);
    CHECK(mode_at(trees.to / "x/lib") == 0711);
}

TEST_CASE("changes of a mode are made to what each item has") {
    const Trees trees;
    const CopyAttributes attributes{
        .owner = {}, .mode = {}, .changes = *ModeChanges::parse("go=u-w")};
    REQUIRE(trees.copy("app", "x", attributes).ok());
    CHECK(mode_at(trees.to / "x/run") == 0755);  // was 0750
    CHECK(mode_at(trees.to / "x/lib") == 0755);  // was 0700
    CHECK(mode_at(trees.to / "x/lib/a") == 0644);
    CHECK(trees.digest("app", attributes) != trees.digest("app"));
}

TEST_CASE("a digest is of what is copied, and never of its times") {
    const Trees trees;
    const std::string before = trees.digest("app");
    REQUIRE(::utimensat(AT_FDCWD, (trees.from / "app/main").c_str(), nullptr, 0) == 0);
    CHECK(trees.digest("app") == before);
    const std::map<std::string, std::string> changes = {
        {"content", "echo other > app/main"}, {"mode", "chmod 600 app/main"},
        {"a new file", "touch app/new"},      {"a link's target", "ln -sfn lib/b app/link"},
        {"a name", "mv app/run app/renamed"},
    };
    std::string last = before;
    for (const auto& [what, script] : changes) {
        CAPTURE(what);
        REQUIRE(
            davit::testing::run({.argv = davit::testing::sh(script), .folder = trees.from.path()})
                .status == 0);
        const std::string now = trees.digest("app");
        CHECK(now != last);
        last = now;
    }
    CHECK(trees.digest("app", {.owner = Owner{1, 2}, .mode = {}}) != last);
    CHECK(trees.digest("app", {.owner = {}, .mode = 0600}) != last);
}

TEST_CASE("folders are made inside of a root that may be hostile") {
    const Trees trees;
    const Owner me{::geteuid(), ::getegid()};
    REQUIRE(::symlink("/davit-none", (trees.to / "out").c_str()) == 0);
    const auto made = make_folders(trees.to_fd, "a/b/c", me);
    REQUIRE(made.ok());
    CHECK(*made);
    const auto again = make_folders(trees.to_fd, "a/b/c", me);
    REQUIRE(again.ok());
    CHECK(!*again);
    const auto refused = make_folders(trees.to_fd, "out/x", me);
    REQUIRE(!refused.ok());
    CHECK(refused.error().to_string() == "'/out' is a link to nothing in the image");
    CHECK(!exists("/davit-none"));
}

}  // namespace davit::builder
