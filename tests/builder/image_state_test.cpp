#include "builder/image_state.h"

#include <doctest/doctest.h>

namespace davit::builder {

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
