#include "cli/template.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::cli;

namespace {

const char* const kValue = R"({
  "Id": "abc",
  "State": {"Pid": 4711, "Running": true, "Error": null},
  "Args": ["-g", "daemon off;"],
  "Empty": [],
  "Config": {"Labels": {"b.c": "2", "a": "1"}},
  "NetworkSettings": {"Networks": {
    "back": {"IPAddress": "10.0.0.2"}, "alpha": {"IPAddress": "10.0.1.2"}}}
})";

std::string filled(const std::string& text) {
    const Result<std::string> result = fill_template(text, Json::parse(kValue));
    return result ? *result : "error: " + result.error().to_string();
}

}  // namespace

TEST_CASE("templates are filled in as Go does it") {
    struct Case {
        const char* text;
        const char* expected;
    };
    const Case cases[] = {
        {"no action", "no action"},
        {"{{.State.Pid}}", "4711"},
        {"{{ .Id }} is {{.State.Running}}", "abc is true"},
        {"{{.State.Error}}", "<no value>"},
        {"{{.Args}}", "[-g daemon off;]"},
        {"{{.Config.Labels}}", "map[a:1 b.c:2]"},
        {"{{json .Args}}", R"(["-g","daemon off;"])"},
        {"{{json .State.Error}}", "null"},
        {"{{index .Config.Labels \"b.c\"}}", "2"},
        {"{{index .Config.Labels \"none\"}}", ""},
        {"{{index .Args 1}}", "daemon off;"},
        {"{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", "10.0.1.2 10.0.0.2 "},
        {"{{range .Args}}<{{.}}>{{end}}", "<-g><daemon off;>"},
        {"a{{range .Empty}}{{range .X}}{{.Y}}{{end}}!{{end}}b", "ab"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        CHECK(filled(c.text) == c.expected);
    }
}

TEST_CASE("what templates can't do is said") {
    struct Case {
        const char* text;
        const char* error;
    };
    const Case cases[] = {
        {"{{.State.Pdi}}", "'.State' has no field 'Pdi'"},
        {"{{.Stat}}", "'.' has no field 'Stat'"},
        {"{{.Id.X}}", "'.Id' has no fields, so there is no 'X'"},
        {"{{.Id", "a '{{' has no '}}'"},
        {"{{}}", "an action is empty"},
        {"{{end}}", "there is an {{end}} without a range"},
        {"{{range .Args}}", "a range has no {{end}}"},
        {"{{range .Empty}}x", "a range has no {{end}}"},
        {"{{printf \"%d\" .State.Pid}}", "'printf' is not supported here"},
        {"{{index .Args 7}}", "'.Args' has no element 7"},
        {"{{index .Args \"x}}", "a quote is not closed in '\"x'"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        CHECK(filled(c.text) == std::string("error: read the template: ") + c.error);
    }
    const auto near = fill_template("{{.State.Pdi}}", Json::parse(kValue));
    CHECK(near.error().help() == "the nearest field is 'Pid'");
}
