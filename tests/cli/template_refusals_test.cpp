#include "cli/template.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::cli;

namespace {

const char* const kRefusingValue = R"({
  "Id": "abc",
  "State": {"Pid": 4711, "Running": true, "Error": null},
  "Args": ["-g", "daemon off;"],
  "Mounts": [{"Source": "/a"}],
  "Config": {"Labels": {"a": "1"}},
  "Ports": {"80/tcp": [{"HostPort": "8080"}]}
})";

/// "COLUMN: why [help]" of a template that can't be filled in.
std::string refusal(const std::string& text) {
    const Result<std::string> result = fill_template(text, Json::parse(kRefusingValue));
    if (result) return "filled: " + *result;
    std::string why = result.error().to_string();
    const std::string prefix = "read the template, ";
    if (why.starts_with(prefix)) why.erase(0, prefix.size());
    return result.error().help().empty() ? why : why + " [" + result.error().help() + "]";
}

}  // namespace

TEST_CASE("what templates can't do is said with its place") {
    struct Case {
        const char* text;
        const char* refusal;
    };
    const Case cases[] = {
        {"{{.State.Pdi}}", "column 3: '.State' has no field 'Pdi' [the nearest field is 'Pid']"},
        {"{{.Stat}}", "column 3: '.' has no field 'Stat' [the nearest field is 'State']"},
        {"a\n {{.Id.X}}", "line 2, column 4: '.Id' has no fields, so there is no 'X'"},
        {"{{.Id", "column 1: a '{{' has no '}}'"},
        {"x{{.Id}",
         "column 7: '}' has no meaning here [texts stand in quotes, functions before "
         "what they work on]"},
        {"{{}}", "column 3: an action is empty"},
        {"{{end}}", "column 3: there is an {{end}} without an {{if}}, {{with}} or {{range}}"},
        {"{{else}}", "column 3: there is an {{else}} without an {{if}}, {{with}} or {{range}}"},
        {"{{range .Args}}", "column 3: 'range' has no {{end}}"},
        {"{{if .Id}}a{{else}}b{{else}}c{{end}}", "column 23: an {{else}} follows an {{else}}"},
        {"{{if}}a{{end}}", "column 5: 'if' is not told what it is about"},
        {"{{range .Args}}a{{else if .Id}}b{{end}}",
         "column 24: 'if' can't stand after 'else' here [write {{else}}, or {{else if …}} after an "
         "{{if}}]"},
        {"{{break}}", "column 3: there is a {{break}} outside of a range"},
        {"{{define \"x\"}}{{end}}",
         "column 3: 'define' is not supported in templates [write its text where it is needed]"},
        {"{{template \"x\"}}",
         "column 3: 'template' is not supported in templates [write its text where it is needed]"},
        {"{{html .Id}}",
         "column 3: html: this function is not supported in templates [davit's "
         "output is text: leave it out]"},
        {"{{uper .Id}}",
         "column 3: templates have no function 'uper' [the nearest function is "
         "'upper']"},
        {"{{Zebra}}",
         "column 3: templates have no function 'Zebra' [fields begin with a dot: .Zebra]"},
        {"{{$x}}", "column 3: there is no variable '$x' here [make it first: {{$x := …}}]"},
        {"{{if true}}{{$x := 1}}{{end}}{{$x}}",
         "column 32: there is no variable '$x' here [make it first: {{$x := …}}]"},
        {"{{.Id \"x\"}}",
         "column 3: '.Id' is no function and takes no values [name a function "
         "before it, such as print or index]"},
        {"{{.Id | .Args}}",
         "column 9: '.Args' is no function and takes no values [name a function "
         "before it, such as print or index]"},
        {"{{.Id | \"x\"}}",
         "column 9: '\"x\"' takes no value from a '|' [name a function after the '|']"},
        {"{{.Id |}}", "column 8: nothing stands after a '|' [name a function after it]"},
        {"{{index .Args 7}}",
         "column 3: '.Args' has no element 7 [ask first: {{if …}}…{{end}}, or "
         "{{len …}}]"},
        {"{{(index .Ports \"81/tcp\" 0).HostPort}}",
         "column 4: '.Ports' has no element 0 [ask first: {{if …}}…{{end}}, or {{len …}}]"},
        {"{{index .Args \"x}}",
         "column 15: a quote is not closed [close it in the same line, "
         "before the '}}']"},
        {"{{\"\\z\"}}",
         "column 3: \"\\z\" has an unknown escape [write it as Go has it, or in "
         "`backquotes`, where a backslash is itself]"},
        {"{{12x}}", "column 3: '12x' is not a number"},
        {"{{(.Id}}", "column 3: a '(' has no ')'"},
        {"{{.Id)}}", "column 6: an action ends before ')' [close it with '}}']"},
        {"{{\"a\".B}}",
         "column 6: '\"a\"' has no fields [put a call in parentheses: (index "
         ".Mounts 0).Source]"},
        {"{{nil}}", "column 3: 'nil' alone is no value"},
        {"{{len 3}}", "column 3: len: '3' is a int, not a string, list or map"},
        {"{{lt 1 \"a\"}}",
         "column 3: lt: a int and a string can't be compared [compare texts with "
         "texts (\"1\") and numbers with numbers (1)]"},
        {"{{join .Id \",\"}}", "column 3: join: '.Id' is a string, not a list"},
        {"{{join .Args}}", "column 3: join: 1 arguments are given, it takes at least 2"},
        {"{{range .Id}}x{{end}}",
         "column 9: a range can't walk over a string [it walks over "
         "lists, maps and numbers]"},
        {"{{/* x}}", "column 1: a comment is not closed [end it with '*/}}']"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        CHECK(refusal(c.text) == c.refusal);
    }
}

TEST_CASE("templates can't take for ever nor all memory") {
    std::string deep;
    for (int i = 0; i < 100; ++i) deep += "{{if true}}";
    CHECK(refusal(deep).find("blocks are nested more than 64 deep") != std::string::npos);
    const std::string groups = "{{" + std::string(100'000, '(');
    CHECK(refusal(groups).find("has no '}}'") != std::string::npos);
    CHECK(refusal(groups + "1" + std::string(100'000, ')') + "}}")
              .find("parentheses are nested more than 64 deep") != std::string::npos);
    CHECK(
        refusal("{{range 100000}}{{range 100000}}{{end}}{{end}}").find("more than 1000000 steps") !=
        std::string::npos);
    CHECK(refusal("{{$x := \"aaaaaaaaaaaaaaaa\"}}{{range 100}}{{$x = print $x $x}}{{end}}")
              .find("too long") != std::string::npos);
    CHECK(refusal("{{range 900000}}{{printf \"%1000d\" 1}}{{end}}").find("column") !=
          std::string::npos);
    std::string branches = "{{if false}}";  // side by side, not one in the other
    for (int i = 0; i < 1000; ++i) branches += "{{else if false}}";
    CHECK(refusal(branches + "{{else}}last{{end}}") == "filled: last");
}

TEST_CASE("no template makes the command crash") {
    const std::string whole =
        "{{- /* c */ -}}{{range $i, $e := (index .Ports \"80/tcp\")}}{{if and (eq $i 0) "
        "$e.HostPort}}{{printf \"%-5.2f|%q\" 1.5e3 'x'}}{{else if `r`}}{{break}}{{end}}{{end -}} "
        "{{with $x := split \"a,b\" \",\"}}{{join $x \"\\u00e9\" | title}}{{end}}";
    for (std::size_t i = 0; i <= whole.size(); ++i) {
        (void)refusal(whole.substr(0, i));
        (void)refusal(whole.substr(i));
        for (const char c : std::string("{}()|.$\"`'\\-% \n\xff")) {
            std::string changed = whole;
            changed.insert(i, 1, c);
            (void)refusal(changed);
            if (i < whole.size()) changed[i] = c;
            (void)refusal(changed);
        }
    }
}
