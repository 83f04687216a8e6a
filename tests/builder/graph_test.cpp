#include "builder/graph.h"

#include <doctest/doctest.h>
#include <fmt/ranges.h>
#include <memory>

namespace davit::builder {
namespace {

/// The stages in the order in which they are built, what each begins with and needs; or what is
/// wrong.
std::string planned(const std::string& text, GraphInputs inputs = {}) {
    inputs.architecture = "amd64";
    Diagnostics diagnostics;
    const auto file = parse_dockerfile(
        std::make_shared<const SourceFile>(SourceFile{"Dockerfile", text}), diagnostics);
    REQUIRE(file.has_value());
    const auto graph = plan_build(*file, inputs, diagnostics);
    std::string said;
    for (const Diagnostic& remark : diagnostics.list())
        said += to_string(remark.where) + ": " + remark.message + "\n";
    if (!graph) return said;
    for (const std::size_t index : graph->order) {
        const StageNode& node = graph->stages[index];
        const char* kinds[] = {"scratch", "stage", "context", "image"};
        said += fmt::format("{}: {} {}", node.label, kinds[static_cast<int>(node.base.kind)],
                            node.base.name);
        if (!node.needs.empty()) said += fmt::format(" needs {}", fmt::join(node.needs, ","));
        said += "\n";
    }
    return said;
}

}  // namespace

TEST_CASE("only what the target needs is built") {
    const std::string text =
        "FROM a AS one\nFROM b AS two\nFROM one AS three\nCOPY --from=two x y\nFROM scratch\n"
        "RUN --mount=from=one,target=/x true\n";
    CHECK(planned(text) == "one: image a\nstage-3: scratch  needs 0\n");
    CHECK(planned(text, {.target = "Three"}) ==
          "one: image a\ntwo: image b\nthree: stage  needs 0,1\n");
    CHECK(planned(text, {.target = "1"}) == "two: image b\n");
    CHECK(planned(text, {.target = "tow"}) == ": 'Dockerfile' has no stage 'tow'\n");
}

TEST_CASE("FROM is expanded with the ARGs before it and the arguments of the build") {
    const std::string text = "ARG V=1\nARG I=img:${V}\nFROM $I\nFROM --platform=$BUILDPLATFORM $I";
    CHECK(planned(text) == "stage-1: image img:1\n");
    CHECK(planned(text, {.args = {{"V", "2"}}}) == "stage-1: image img:2\n");
    CHECK(planned("FROM $NONE") == "Dockerfile:1:6: FROM '$NONE' names nothing\n");
    CHECK(planned("FROM --platform=linux/s390x a") ==
          "Dockerfile:1:6: a stage for 'linux/s390x' can't be built on linux/amd64\n");
}

TEST_CASE("names mean stages, then contexts, then images, and only an earlier stage is a base") {
    CHECK(planned("FROM later\nFROM x AS later\nFROM 0\n") == "stage-2: image 0\n");
    CHECK(planned("FROM b\nCOPY --from=more x y", {.contexts = {"b", "more"}}) ==
          "stage-0: context b\n");
}

TEST_CASE("a named context takes the place of the stage of its name") {
    const std::string text =
        "FROM a AS Base\nRUN false\nFROM base\nCOPY --from=base x y\nCOPY --from=0 x y\n"
        "RUN --mount=from=base,target=/x true\n";
    CHECK(planned(text, {.contexts = {"base"}}) == "stage-1: context base\n");
    CHECK(planned(text, {.contexts = {"BASE"}}) == "stage-1: context BASE\n");
    CHECK(planned(text, {.contexts = {"base"}, .target = "base"}) == "base: context base\n");
    CHECK(planned(text) == "base: image a\nstage-1: stage  needs 0\n");
}

TEST_CASE(
    "of stages with the same name the last one before it is meant by FROM, and by COPY the "
    "last of all") {
    const std::string text =
        "FROM a AS one\nFROM b AS one\nFROM one AS two\nCOPY --from=one x y\nFROM c AS One\n"
        "FROM two\n";
    CHECK(planned(text) ==
          "Dockerfile:2:11: two stages are called 'one'\n"
          "Dockerfile:5:11: two stages are called 'one'\n"
          "one: image b\ntwo: stage  needs 1,3\none: image c\nstage-4: stage  needs 2\n");
    CHECK(planned(text, {.target = "one"}).ends_with("\none: image c\n"));
}

TEST_CASE("a build says itself what it is for, and --build-arg says otherwise") {
    const auto globals = [](GraphInputs inputs) {
        inputs.architecture = "amd64";
        Diagnostics diagnostics;
        const auto file = parse_dockerfile(
            std::make_shared<const SourceFile>(SourceFile{"Dockerfile", "FROM a AS final"}),
            diagnostics);
        const auto graph = plan_build(*file, inputs, diagnostics);
        REQUIRE(graph.has_value());
        return graph->globals;
    };
    auto set = globals({});
    CHECK(set.at("TARGETSTAGE") == "default");
    CHECK(set.at("TARGETPLATFORM") == "linux/amd64");
    CHECK(set.at("BUILDARCH") == "amd64");
    CHECK(set.at("TARGETOSVERSION").empty());
    CHECK(set.at("BUILDOSVERSION").empty());
    set = globals({.args = {{"TARGETARCH", "mine"}, {"OTHER", "x"}}, .target = "final"});
    CHECK(set.at("TARGETSTAGE") == "final");
    CHECK(set.at("TARGETARCH") == "mine");
    CHECK(!set.contains("OTHER"));
}

TEST_CASE("stages that need each other or themselves are refused") {
    CHECK(planned("FROM a AS one\nCOPY --from=two x y\nFROM b AS two\nCOPY --from=one x y") ==
          "Dockerfile:1:1: the stages 'two' and 'one' need each other\n");
    CHECK(planned("FROM a AS one\nCOPY --from=one x y") ==
          "Dockerfile:2:6: a stage can't take files from itself\n");
    CHECK(planned("FROM a\nCOPY --from=7 x y") == "Dockerfile:2:6: there is no stage 7\n");
}

}  // namespace davit::builder
