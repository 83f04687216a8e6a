#include "base/file.h"
#include "builder/git_source.h"
#include "builder/lint.h"
#include "builder/output.h"
#include "builder/program.h"
#include "builder/remote_context.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <memory>
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

TEST_CASE("outputs, as they are written") {
    using Kind = Output::Kind;
    struct Case {
        const char* text;
        Output output;
    };
    const Case cases[] = {
        {"out", {Kind::Local, "/w/out", {}}},
        {"-", {Kind::Tar, "-", {}}},
        {"type=oci,dest=/x/o.tar", {Kind::Oci, "/x/o.tar", {}}},
        {"type=docker", {Kind::Store, "", {}}},
        {"type=docker,dest=-", {Kind::Docker, "-", {}}},
        {"type=image,name=a:1", {Kind::Store, "", {"a:1"}}},
    };
    for (const Case& one : cases) {
        CAPTURE(one.text);
        const auto output = parse_output(one.text, "/w");
        REQUIRE(output.ok());
        CHECK(*output == one.output);
    }
    for (const char* text :
         {"type=local", "type=local,dest=-", "type=image,dest=x", "type=registry", "dest=x",
          "type=tar,dest=x,compression=zstd", "type=tar,=x"}) {
        CAPTURE(text);
        const auto output = parse_output(text, "/w");
        REQUIRE(!output.ok());
        CHECK(output.error().kind() == ErrorKind::InvalidInput);
        CHECK(!output.error().help().empty());
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

TEST_CASE("remarks about habits, each with its rule") {
    struct Case {
        const char* text;
        const char* rules;
    };
    const Case cases[] = {
        {"FROM a\nRUN x\nCMD [\"x\"]\n", ""},
        {"FROM a\nCMD x\n", "JSONArgsRecommended"},
        {"FROM a\nSHELL [\"x\"]\nCMD x\n", ""},
        {"FROM a AS scratch\n", "ReservedStageName"},
        {"ARG TAG=1\nFROM a:$TGA\n", "UndefinedArgInFrom"},
        {"FROM a:$TARGETARCH\n", ""},
        {"FROM --platform=$TARGETPLATFORM a\n", "RedundantTargetPlatform"},
        {"FROM a\nARG VERSION=1\nLABEL v=$VERSOIN\n", "UndefinedVar"},
        {"FROM a\nARG VERSION=1\nLABEL v=$OF_THE_BASE\n", ""},
        {"FROM a AS b\nARG VERSION=1\nFROM b\nLABEL v=$VERSION\n", ""},
        {"FROM a\nWORKDIR x\n", "WorkdirRelativePath"},
        {"FROM a\nWORKDIR /x\nWORKDIR y\n", ""},
        {"FROM a\nENV a b\n", "LegacyKeyValueFormat"},
        {"FROM a\nENV API_TOKEN=x\n", "SecretsUsedInArgOrEnv"},
        {"FROM a\nENV PUBLIC_KEY=x MONKEY=y\n", ""},
        {"FROM a\nMAINTAINER x\n", "MaintainerDeprecated"},
        {"FROM a\nCMD [\"x\"]\nCMD [\"y\"]\n", "MultipleInstructionsDisallowed"},
        {"FROM a\nrun x\n", "ConsistentInstructionCasing"},
        {"from a\nrun x\n", ""},
    };
    for (const Case& one : cases) {
        CAPTURE(one.text);
        Diagnostics diagnostics;
        const auto file = parse_dockerfile(
            std::make_shared<const SourceFile>(SourceFile{"Dockerfile", one.text}), diagnostics);
        REQUIRE(file.has_value());
        lint(*file, diagnostics);
        std::string rules;
        for (const Diagnostic& remark : diagnostics.list()) {
            const std::size_t open = remark.message.rfind('(');
            rules += (rules.empty() ? "" : " ") +
                     remark.message.substr(open + 1, remark.message.size() - open - 2);
            CHECK(!remark.help.empty());
        }
        CHECK_MESSAGE(rules == one.rules, std::string(one.text), " has ", rules);
    }
}

}  // namespace davit::builder
