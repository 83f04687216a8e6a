#include "builder/ignore.h"

#include <doctest/doctest.h>
#include <memory>

namespace davit::builder {
namespace {

IgnoreFile ignore(const std::string& text) {
    Diagnostics diagnostics;
    auto file = IgnoreFile::parse(
        std::make_shared<const SourceFile>(SourceFile{".dockerignore", text}), diagnostics);
    REQUIRE(diagnostics.ok());
    return file;
}

}  // namespace

TEST_CASE("patterns match as Docker's do") {
    struct Case {
        const char* pattern;
        const char* path;
        bool match;
    };
    const Case cases[] = {
        {"**", "file", true},
        {"**", "dir/file", true},
        {"**/", "dir/file", true},
        {"**/**", "dir/file", true},
        {"dir/**", "dir/file", true},
        {"dir/**", "dir/dir2/file", true},
        {"dir/**", "dir", false},
        {"**/dir", "dir", true},
        {"**/dir", "dir/file", true},
        {"**/dir2/*", "dir/dir2/file", true},
        {"**/dir2/*", "dir/dir2/dir2/file", true},
        {"**file", "file", true},
        {"**file", "dir/file", true},
        {"**/file", "dir/dir/file", true},
        {"**/file*", "dir/dir/file.txt", true},
        {"**/file*txt", "dir/dir/file.txt", true},
        {"**/file*.txt*", "dir/dir/file.txt", true},
        {"**/**/*.txt", "dir/dir/file.txt", true},
        {"**/**/*.txt2", "dir/dir/file.txt", false},
        {"**/*.txt", "file.txt", true},
        {"a**/*.txt", "a/file.txt", true},
        {"a**/*.txt", "a/dir/dir/file.txt", true},
        {"a/*.txt", "a/dir/file.txt", false},
        {"a/*.txt", "a/file.txt", true},
        {"a[b-d]e", "ae", false},
        {"a[b-d]e", "ace", true},
        {"a[b-d]e", "aae", false},
        {"a[^b-d]e", "aze", true},
        {".*", ".foo", true},
        {".*", "foo", false},
        {"abc.def", "abcdef", false},
        {"abc.def", "abc.def", true},
        {"abc?def", "abcZdef", true},
        {"a\\\\", "a\\", true},
        {"a\\b", "ab", true},
        {"**/foo/bar", "foo/bar", true},
        {"**/foo/bar", "dir/dir2/foo/bar", true},
        {"abc/**", "abc/def/ghi", true},
        {"*", "fileutils.go", true},
        {"*", "a/b", true},
        {"node_modules", "node_modules/a/b", true},
        {"node_modules", "sub/node_modules", false},
        {"?", "a", true},
        {"?", "ab", false},
        {"/lead", "lead", true},
        {"./a/../b/", "b", true},
        {"..", "a", false},
        {"x/**/y", "x/y", true},
        {"x/**/y", "x/1/2/y", true},
        {"x/**/y", "xa/y", false},
    };
    for (const Case& c : cases) {
        CAPTURE(c.pattern);
        CAPTURE(c.path);
        CHECK(ignore(c.pattern).excludes(c.path) == c.match);
    }
}

TEST_CASE("the last line that fits decides, also against a folder above") {
    const IgnoreFile file = ignore("*.md\n!README*.md\nREADME-secret.md\ndocs\n!docs/keep/**\n");
    CHECK(file.excludes("a.md"));
    CHECK_FALSE(file.excludes("README.md"));
    CHECK(file.excludes("README-secret.md"));
    CHECK(file.excludes("docs/x"));
    CHECK_FALSE(file.excludes("docs/keep/x"));
    CHECK(file.may_hold_exceptions("docs"));
    CHECK(file.may_hold_exceptions("docs/keep"));
    CHECK_FALSE(file.may_hold_exceptions("src"));
    CHECK_FALSE(ignore("docs").may_hold_exceptions("docs"));
    CHECK(ignore("*\n!**/x").may_hold_exceptions("any/where"));
}

TEST_CASE("comments, blank lines, marks and line ends of other systems mean nothing") {
    const IgnoreFile file = ignore("\xef\xbb\xbf# a\n\n  b  \r\n ! b/c \n#d\n #e\n");
    CHECK(file.excludes("b"));
    CHECK_FALSE(file.excludes("b/c"));
    CHECK_FALSE(file.excludes("d"));
    CHECK(file.excludes("#e"));
    CHECK(ignore("# only\n/\n.\n").empty());
}

TEST_CASE("mistakes of .dockerignore have their place") {
    Diagnostics diagnostics;
    IgnoreFile::parse(std::make_shared<const SourceFile>(SourceFile{".dockerignore", "a\n!\n[b\n"}),
                      diagnostics);
    REQUIRE(diagnostics.list().size() == 2);
    CHECK(render(diagnostics.list()[0]) ==
          ".dockerignore:2:1: error: '!' stands alone\n    2 | !\n      | ^\n"
          "  help: write the pattern behind it\n");
    CHECK(to_string(diagnostics.list()[1].where) == ".dockerignore:3:1");
}

TEST_CASE("a pattern of many stars ends in time") {
    std::string pattern;
    for (int i = 0; i < 2000; ++i) pattern += "*a";
    CHECK_FALSE(ignore(pattern + "b").excludes(std::string(3000, 'a')));
}

}  // namespace davit::builder
