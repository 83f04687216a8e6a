#include "builder/image_state.h"

#include <doctest/doctest.h>
#include <fmt/ranges.h>
#include <memory>

namespace davit::builder {
namespace {

Result<void> apply_line(ImageState& state, const std::string& line) {
    Diagnostics diagnostics;
    const auto instruction = parse_instruction(
        std::make_shared<const SourceFile>(SourceFile{"Dockerfile", line}), diagnostics);
    REQUIRE(instruction.has_value());
    return apply_words(*instruction, state);
}

}  // namespace

TEST_CASE("a base image whose configuration has other types in it can be built on") {
    for (const char* text :
         {R"({})", R"({"config":null,"history":null})", R"({"config":[],"history":{}})",
          R"({"config":{"Labels":"x","Volumes":[],"ExposedPorts":5},"history":"x"})"}) {
        CAPTURE(text);
        ImageState state;
        state.config = *parse_json(text, "config");
        state.make_fillable();
        state.add_history("RUN x", false);
        state.config["config"]["Labels"]["name"] = "value";
        CHECK(state.words().dump() == R"({"Labels":{"name":"value"}})");
        CHECK(state.history.dump() == R"([{"created_by":"RUN x"}])");
        CHECK(state.word("WorkingDir").empty());
    }
}

TEST_CASE("of ENV and ARG the one that came last counts, and the image has ENV alone") {
    ImageState state;
    state.config["config"]["Env"] = {"PATH=/bin", "A=base"};
    const auto environment = [&] { return fmt::format("{}", fmt::join(state.variables(), " ")); };
    CHECK(state.variable("A") == "base");
    state.args["A"] = "arg";
    state.args["B"] = "b";
    CHECK(state.variable("A") == "arg");
    CHECK(environment() == "PATH=/bin A=arg B=b");
    REQUIRE(apply_line(state, "ENV A=$A.env C=$A").ok());
    CHECK(state.variable("A") == "arg.env");
    CHECK(environment() == "PATH=/bin A=arg.env C=arg B=b");
    CHECK(state.env() == std::vector<std::string>{"PATH=/bin", "A=arg.env", "C=arg"});
    state.args["A"] = "again";
    CHECK(environment() == "PATH=/bin C=arg A=again B=b");
    REQUIRE(apply_line(state, "LABEL x=$A").ok());
    CHECK(state.words()["Labels"]["x"] == "again");
    CHECK(state.env()[1] == "A=arg.env");
}

TEST_CASE("EXPOSE takes the port of the container, whatever is said of the host") {
    const std::pair<const char*, const char*> cases[] = {
        {"80 53/UDP", R"({"80/tcp":{},"53/udp":{}})"},
        {"8080:80", R"({"80/tcp":{}})"},
        {"127.0.0.1:8080:80/sctp", R"({"80/sctp":{}})"},
        {"127.0.0.1::80", R"({"80/tcp":{}})"},
        {"[::1]:8080:80", R"({"80/tcp":{}})"},
        {"8000-8001:80-81", R"({"80/tcp":{},"81/tcp":{}})"},
    };
    for (const auto& [text, ports] : cases) {
        CAPTURE(std::string(text));
        ImageState state;
        REQUIRE(apply_line(state, fmt::format("EXPOSE {}", text)).ok());
        CHECK(state.words()["ExposedPorts"].dump() == ports);
    }
    for (const char* text : {"8000-8001:80", "a:80", "80:", "80/ftp", "0", "65536", "9-8"}) {
        CAPTURE(text);
        ImageState state;
        const auto applied = apply_line(state, fmt::format("EXPOSE {}", text));
        REQUIRE(!applied.ok());
        CHECK(applied.error().to_string().ends_with(fmt::format("'{}' is no port", text)));
    }
}

TEST_CASE("what a base image says stays") {
    ImageState state;
    state.config = *parse_json(
        R"({"config":{"Labels":{"a":"b"},"User":"u"},"history":[{"created_by":"FROM"}]})",
        "config");
    state.make_fillable();
    CHECK(state.words().dump() == R"({"Labels":{"a":"b"},"User":"u"})");
    CHECK(state.history.size() == 1);
}

}  // namespace davit::builder
