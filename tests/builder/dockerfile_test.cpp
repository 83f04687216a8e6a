#include "builder/dockerfile.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <memory>

namespace davit::builder {
namespace {

Dockerfile parsed(const std::string& text) {
    Diagnostics diagnostics;
    auto file = parse_dockerfile(std::make_shared<const SourceFile>(SourceFile{"Dockerfile", text}),
                                 diagnostics);
    std::string remarks;
    for (const Diagnostic& diagnostic : diagnostics.list()) remarks += render(diagnostic);
    REQUIRE_MESSAGE(file.has_value(), remarks);
    return *std::move(file);
}

/// An instruction in one line: everything that was understood of it.
std::string shown(const Instruction& instruction) {
    std::string text = fmt::format("{}:{} {}", instruction.where.line, instruction.where.column,
                                   to_string(instruction.keyword));
    for (const Flag& flag : instruction.flags)
        text += fmt::format(" --{}={}", flag.name, flag.value);
    if (instruction.exec) text += " exec";
    for (const Word& word : instruction.words)
        text += fmt::format(" {}:{}[{}]", word.where.line, word.where.column, word.text);
    for (const Pair& pair : instruction.pairs)
        text +=
            fmt::format(" {}={}", pair.name.text, pair.value ? "[" + pair.value->text + "]" : "?");
    for (const Heredoc& heredoc : instruction.heredocs)
        text += fmt::format(" <<{}{}{}[{}]", heredoc.strip_tabs ? "-" : "", heredoc.name,
                            heredoc.expand ? "" : "'", heredoc.body);
    if (instruction.trigger) text += " {" + shown(*instruction.trigger) + "}";
    return text;
}

std::string steps(const std::string& text) {
    std::string all;
    const Dockerfile file = parsed("FROM a\n" + text);
    for (const Instruction& step : file.stages.front().steps) all += shown(step) + "\n";
    return all;
}

}  // namespace

TEST_CASE("instructions and where they stand") {
    struct Case {
        const char* text;
        const char* shown;
    };
    const Case cases[] = {
        {"RUN echo hi", "2:1 RUN 2:5[echo hi]\n"},
        {"  run   echo  hi  ", "2:3 RUN 2:9[echo  hi]\n"},
        {"RUN [\"a\", \"b c\"]", "2:1 RUN exec 2:5[a] 2:5[b c]\n"},
        {"RUN [ -f x ] && y", "2:1 RUN 2:5[[ -f x ] && y]\n"},
        {"CMD echo \"a b\"", "2:1 CMD 2:5[echo \"a b\"]\n"},
        {"ENTRYPOINT []", "2:1 ENTRYPOINT exec\n"},
        {"COPY --from=x --chown=1:2 a b/", "2:1 COPY --from=x --chown=1:2 2:27[a] 2:29[b/]\n"},
        {"COPY [\"a b\", \"c\"]", "2:1 COPY exec 2:6[a b] 2:6[c]\n"},
        {"ENV A=1 B=\"x y\" C='q' D=a\\ b E=",
         "2:1 ENV A=[1] B=[\"x y\"] C=['q'] D=[a\\ b] E=[]\n"},
        {"ENV NAME  the whole = rest", "2:1 ENV NAME=[the whole = rest]\n"},
        {"LABEL \"a.b\"=c d=e", "2:1 LABEL \"a.b\"=[c] d=[e]\n"},
        {"ARG A\nARG B=1 C", "2:1 ARG A=?\n3:1 ARG B=[1] C=?\n"},
        {"EXPOSE 80 443/tcp $P", "2:1 EXPOSE 2:8[80] 2:11[443/tcp] 2:19[$P]\n"},
        {"VOLUME /a /b", "2:1 VOLUME 2:8[/a] 2:11[/b]\n"},
        {"VOLUME [\"/a b\"]", "2:1 VOLUME exec 2:8[/a b]\n"},
        {"WORKDIR /a b", "2:1 WORKDIR 2:9[/a b]\n"},
        {"HEALTHCHECK --interval=1s --retries=2 CMD curl x",
         "2:1 HEALTHCHECK --interval=1s --retries=2 2:39[CMD] 2:43[curl x]\n"},
        {"HEALTHCHECK none", "2:1 HEALTHCHECK 2:13[NONE]\n"},
        {"ONBUILD run --network=none x", "2:1 ONBUILD {2:9 RUN --network=none 2:28[x]}\n"},
        {"SHELL [\"bash\", \"-c\"]", "2:1 SHELL exec 2:7[bash] 2:7[-c]\n"},
        {"MAINTAINER some one", "2:1 MAINTAINER 2:12[some one]\n"},
        {"RUN --mount=type=cache,target=/a --mount=target=/b x",
         "2:1 RUN --mount=type=cache,target=/a --mount=target=/b 2:52[x]\n"},
        {"RUN -- --x", "2:1 RUN 2:8[--x]\n"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        CHECK(steps(c.text) == c.shown);
    }
}

TEST_CASE(
    "lines go on after the escape character, and comments and empty lines within are nothing") {
    CHECK(steps("RUN a \\\n  # note\n\n  b \\ \n  && c\nUSER x") ==
          "2:1 RUN 2:5[a   b   && c]\n7:1 USER 7:6[x]\n");
    CHECK(steps("COPY a \\\n   b") == "2:1 COPY 2:6[a] 3:4[b]\n");
    CHECK(steps("RUN a\\\\\nUSER x") == "2:1 RUN 2:5[a\\\\]\n3:1 USER 3:6[x]\n");
    CHECK(steps("RUN a \\") == "2:1 RUN 2:5[a]\n");
    CHECK(steps("RUN a\r\nUSER b\r\n") == "2:1 RUN 2:5[a]\n3:1 USER 3:6[b]\n");
    CHECK(steps("RUN a # no comment") == "2:1 RUN 2:5[a # no comment]\n");
}

TEST_CASE("here-documents") {
    CHECK(steps("RUN <<EOF\necho a\n\n# kept\nEOF\nUSER x") ==
          "2:1 RUN 2:5[<<EOF] <<EOF[echo a\n\n# kept\n]\n7:1 USER 7:6[x]\n");
    CHECK(steps("COPY <<A <<-\"B\" /x/\n1\nA\n\t\t2\n\tB\n") ==
          "2:1 COPY 2:6[<<A] 2:10[<<-\"B\"] 2:17[/x/] <<A[1\n] <<-B'[2\n]\n");
    CHECK(steps("RUN cat <<EOF > /x && y\n$a\nEOF\n") ==
          "2:1 RUN 2:5[cat <<EOF > /x && y] <<EOF[$a\n]\n");
    CHECK(steps("RUN echo $((1<<2)) <<<x") == "2:1 RUN 2:5[echo $((1<<2)) <<<x]\n");
    CHECK(steps("RUN <<EOF cat - 3<<X\na\nEOF\nb\nX\n") ==
          "2:1 RUN 2:5[<<EOF cat - 3<<X] <<EOF[a\n] <<X[b\n]\n");
    CHECK(steps("ONBUILD RUN <<EOF\na\nEOF\n") == "2:1 ONBUILD {2:9 RUN 2:13[<<EOF] <<EOF[a\n]}\n");
    CHECK(steps("CMD cat <<EOF\nUSER x") == "2:1 CMD 2:5[cat <<EOF]\n3:1 USER 3:6[x]\n");
    CHECK(steps("RUN <<EOF\r\na\r\nEOF\r\n") == "2:1 RUN 2:5[<<EOF] <<EOF[a\r\n]\n");
}

TEST_CASE("parser directives") {
    const Dockerfile file = parsed(
        "# syntax=docker/dockerfile:1\n# ESCAPE = `\n# check=skip=all\nFROM a\nRUN a `\n b\\");
    CHECK(shown(file.stages[0].steps[0]) == "5:1 RUN 5:5[a  b\\]");
    // Behind anything else it is a comment like others.
    CHECK(shown(parsed("#\n# escape=`\nFROM a\nRUN a \\\n b").stages[0].steps[0]) ==
          "4:1 RUN 4:5[a  b]");
    CHECK(parsed("\xef\xbb\xbf"
                 "FROM a")
              .stages.size() == 1);
}

TEST_CASE("stages and global arguments") {
    const Dockerfile file = parsed(
        "ARG V=1\nFROM --platform=$BUILDPLATFORM a:$V AS Base\nRUN x\nFROM base\nFROM scratch as "
        "last\nCOPY --from=0 a b");
    CHECK(file.globals.size() == 1);
    REQUIRE(file.stages.size() == 3);
    CHECK(file.stages[0].name == "base");
    CHECK(file.stages[0].base.text == "a:$V");
    CHECK(file.stages[0].from.flag("platform") == "$BUILDPLATFORM");
    CHECK(file.stages[1].name.empty());
    CHECK(file.stages[1].base.text == "base");
    CHECK(file.stages[2].name == "last");
    CHECK(file.stages[2].steps.size() == 1);
}

TEST_CASE("an array that is no JSON goes to the shell, with a warning") {
    Diagnostics diagnostics;
    const auto file = parse_dockerfile(
        std::make_shared<const SourceFile>(SourceFile{"Dockerfile", "FROM a\nCMD ['x']"}),
        diagnostics);
    REQUIRE(file.has_value());
    CHECK_FALSE(file->stages[0].steps[0].exec);
    REQUIRE(diagnostics.list().size() == 1);
    CHECK(diagnostics.list()[0].severity == Severity::Warning);
}

TEST_CASE("an instruction that stands alone is one of those that may be triggers") {
    const auto one = [](const std::string& text) {
        Diagnostics diagnostics;
        const auto instruction = parse_instruction(
            std::make_shared<const SourceFile>(SourceFile{"trigger", text}), diagnostics);
        return instruction ? shown(*instruction) : "nothing";
    };
    CHECK(one("COPY . /app/") == "1:1 COPY 1:6[.] 1:8[/app/]");
    CHECK(one("FROM x") == "nothing");
    CHECK(one("") == "nothing");
}

TEST_CASE("switches and times of flags") {
    const Dockerfile file = parsed(
        "FROM a\nCOPY --link a b\nCOPY --link=false a b\n"
        "HEALTHCHECK --interval=1m30s --timeout=3s --start-period=5s --retries=4 CMD x");
    const auto& all = file.stages[0].steps;
    CHECK(all[0].switched_on("link"));
    CHECK_FALSE(all[1].switched_on("link"));
    const auto times = health_times(all[2]);
    REQUIRE(times.ok());
    CHECK(times->interval == std::chrono::seconds(90));
    CHECK(times->timeout == std::chrono::seconds(3));
    CHECK(times->start_period == std::chrono::seconds(5));
    CHECK(times->retries == 4);
}

TEST_CASE("a line of ONBUILD alone is one mistake, however long it is") {
    std::string text = "FROM scratch\n";
    for (int i = 0; i < 200'000; ++i) text += "ONBUILD ";
    Diagnostics diagnostics;
    (void)parse_dockerfile(
        std::make_shared<const SourceFile>(SourceFile{"Dockerfile", text + "RUN x\n"}),
        diagnostics);
    REQUIRE(diagnostics.list().size() == 1);
    CHECK(diagnostics.list().front().message == "ONBUILD can't be a trigger of ONBUILD");
}

}  // namespace davit::builder
