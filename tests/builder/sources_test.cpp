#include "base/file.h"
#include "builder/git_source.h"
#include "builder/program.h"
#include "builder/remote_context.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <unistd.h>

namespace davit::builder {

TEST_CASE("addresses of repositories, and what git could take for an order") {
    struct Case {
        const char* text;
        const char* remote;
        const char* ref;
        const char* folder;
    };
    const Case cases[] = {
        {"https://h/a.git", "https://h/a.git", "", ""},
        {"https://h/a.git#main", "https://h/a.git", "main", ""},
        {"https://h/a.git#v1.2:sub/dir", "https://h/a.git", "v1.2", "sub/dir"},
        {"https://h/a.git#:sub", "https://h/a.git", "", "sub"},
        {"git@h:a/b.git#refs/pull/7/head", "git@h:a/b.git", "refs/pull/7/head", ""},
        {"ssh://git@h:22/a.git", "ssh://git@h:22/a.git", "", ""},
        {"github.com/a/b#x", "https://github.com/a/b", "x", ""},
    };
    for (const Case& one : cases) {
        CAPTURE(one.text);
        CHECK(is_git_address(one.text));
        const auto address = parse_git_address(one.text);
        REQUIRE(address.ok());
        CHECK(address->remote == one.remote);
        CHECK(address->ref == one.ref);
        CHECK(address->folder == one.folder);
    }
    for (const char* text : {"./a.git", "/srv/a.git", "https://h/a", "https://h/a.tar#x.git", "-",
                             "C:/a", "a@b", "file:///a.git"}) {
        CAPTURE(text);
        CHECK(!is_git_address(text));
    }
    for (const char* text :
         {"https://h/a.git#--upload-pack=x", "https://h/a.git#a..b", "https://h/a.git#a b",
          "https://h/a.git#a\nb", "ssh://-oProxyCommand=x/a.git", "git@-oProxyCommand:a.git",
          "https://h/a b.git", "ext::sh -c x.git"}) {
        CAPTURE(text);
        CHECK(!parse_git_address(text).ok());
    }
}

TEST_CASE("a program gets its own environment, and is ended with its children") {
    const auto said = run_program(
        {{"/bin/sh", "-c", "echo out; echo err >&2; env; umask; exit 3"}, {"ONLY=this"}, {}});
    REQUIRE(said.ok());
    CHECK(said->exit_code == 3);
    CHECK(said->out.starts_with("out\n"));
    CHECK(said->out.find("ONLY=this\n") != std::string::npos);
    CHECK(said->out.find("HOME=") == std::string::npos);
    CHECK(said->out.ends_with("0022\n"));
    CHECK(said->err == "err\n");
    CHECK(run_program({{"/none/program"}, {}, {}}).error().kind() == ErrorKind::NotFound);
    // Its child holds the pipes open: only the end of both ends the reading.
    const auto cancelled =
        run_program({{"/bin/sh", "-c", "sleep 4713 & wait"}, {}, [] { return true; }});
    REQUIRE(!cancelled.ok());
    CHECK(cancelled.error().kind() == ErrorKind::Cancelled);
}

TEST_CASE("a Dockerfile of a foreign context is read inside of it alone") {
    const davit::testing::TempDir dir;
    REQUIRE(::symlink("/etc/passwd", (dir / "Outside").c_str()) == 0);
    REQUIRE(::symlink("../../../../../../etc/passwd", (dir / "Climbs").c_str()) == 0);
    REQUIRE(write_in_place(dir / "Own", "FROM x\n", 0644).ok());
    CHECK(read_source_in(dir.path(), "Outside").error().kind() == ErrorKind::NotFound);
    CHECK(read_source_in(dir.path(), "Climbs").error().kind() == ErrorKind::NotFound);
    CHECK(!read_source_in(dir.path(), ".").ok());
    const auto own = read_source_in(dir.path(), "../Own");
    REQUIRE(own.ok());
    CHECK((*own)->text == "FROM x\n");
    const auto none = find_ignore_file_in(dir.path(), "Own");
    REQUIRE(none.ok());
    CHECK(*none == nullptr);
}

}  // namespace davit::builder
