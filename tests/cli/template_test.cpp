#include "cli/template.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::cli;

namespace {

const char* const kTemplateValue = R"({
  "Id": "abc",
  "Name": "/shop-web-1",
  "State": {"Pid": 4711, "Running": true, "Paused": false, "Error": null, "ExitCode": 0,
            "Health": {"Status": "healthy"}},
  "Args": ["-g", "daemon off;"],
  "Empty": [],
  "Ratio": 0.5,
  "Large": 12345678,
  "Config": {"Labels": {"b.c": "2", "a": "1"}, "Env": ["PATH=/bin", "A=1"]},
  "NetworkSettings": {
    "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "443/tcp": null},
    "Networks": {"back": {"IPAddress": "10.0.0.2"}, "alpha": {"IPAddress": "10.0.1.2"}}}
})";

std::string filled(const std::string& text, const TemplateOptions& options = {}) {
    const Result<std::string> result = fill_template(text, Json::parse(kTemplateValue), options);
    return result ? *result : "error: " + result.error().to_string();
}

struct TemplateCase {
    const char* text;
    const char* expected;
};

template <std::size_t size>
void check_all(const TemplateCase (&cases)[size]) {
    for (const TemplateCase& c : cases) {
        CAPTURE(c.text);
        CHECK(filled(c.text) == c.expected);
    }
}

}  // namespace

TEST_CASE("templates are filled in as Go does it") {
    const TemplateCase cases[] = {
        {"no action", "no action"},
        {"", ""},
        {"a } b }} c", "a } b }} c"},
        {"{{.State.Pid}}", "4711"},
        {"{{ .Id }} is {{.State.Running}}", "abc is true"},
        {"{{.State.Error}}", "<no value>"},
        {"{{.State.Error.More}}", "<no value>"},
        {"{{.Ratio}} {{.Large}}", "0.5 12345678"},
        {"{{.Args}}", "[-g daemon off;]"},
        {"{{.Config.Labels}}", "map[a:1 b.c:2]"},
        {"{{.NetworkSettings.Ports}}",
         "map[443/tcp:<nil> 80/tcp:[map[HostIp:0.0.0.0 HostPort:8080]]]"},
        {"{{json .Args}}", R"(["-g","daemon off;"])"},
        {"{{json .State.Error}}", "null"},
        {"{{index .Config.Labels \"b.c\"}}", "2"},
        {"{{index .Config.Labels \"none\"}}", ""},
        {"{{index .Args 1}}", "daemon off;"},
        {"{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", "10.0.1.2 10.0.0.2 "},
        {"{{range .Args}}<{{.}}>{{end}}", "<-g><daemon off;>"},
        {"a{{range .Empty}}{{range .X}}{{.Y}}{{end}}!{{end}}b", "ab"},
    };
    check_all(cases);
}

TEST_CASE("conditions of templates choose a branch") {
    const TemplateCase cases[] = {
        {"{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "healthy"},
        {"{{if .State.Paused}}a{{else if .State.Running}}b{{else}}c{{end}}", "b"},
        {"{{if .State.ExitCode}}a{{else if .Empty}}b{{else}}c{{end}}", "c"},
        {"{{if eq .State.Health.Status \"healthy\"}}ok{{end}}", "ok"},
        {"{{if ne .State.ExitCode 0}}bad{{else}}fine{{end}}", "fine"},
        {"{{if and .State.Running (gt .State.Pid 1)}}up{{end}}", "up"},
        {"{{if or .State.Paused .Empty}}a{{else}}b{{end}}", "b"},
        {"{{if not .State.Error}}no error{{end}}", "no error"},
        {"{{if and .State.Paused .Id.Nothing}}a{{else}}never looked at{{end}}", "never looked at"},
        {"{{with .State.Health}}{{.Status}}{{end}}", "healthy"},
        {"{{with .State.Error}}{{.}}{{else}}none {{.Id}}{{end}}", "none abc"},
        {"{{with $x := .Id}}{{$x}}{{end}}", "abc"},
        {"{{with .Empty}}a{{else with .Id}}{{.}}{{end}}", "abc"},
        {"{{if 0}}a{{end}}{{if \"\"}}b{{end}}{{if 0.0}}c{{end}}{{if false}}d{{end}}", ""},
        {"{{eq 1 1.0}} {{eq 1 2 1}} {{lt \"a\" \"b\"}} {{le 2 2}} {{ge 1 2}} {{gt 2.5 2}}",
         "true true true true false true"},
        {"{{eq .State.Error nil}} {{eq true false}} {{and 1 2}} {{or 0 \"x\"}} {{not 1}}",
         "true false 2 x false"},
    };
    check_all(cases);
}

TEST_CASE("ranges of templates walk over lists and maps and numbers") {
    const TemplateCase cases[] = {
        {"{{range $k,$v := .NetworkSettings.Ports}}{{$k}} {{end}}", "443/tcp 80/tcp "},
        {"{{range $i, $e := .Args}}{{$i}}={{$e}};{{end}}", "0=-g;1=daemon off;;"},
        {"{{range $e := .Args}}[{{$e}}]{{end}}", "[-g][daemon off;]"},
        {"{{range .Config.Env}}{{println .}}{{end}}", "PATH=/bin\nA=1\n"},
        {"{{range .Empty}}x{{else}}nothing{{end}}", "nothing"},
        {"{{range .State.Error}}x{{else}}nothing{{end}}", "nothing"},
        {"{{range 3}}{{.}}{{end}}", "012"},
        {"{{range .Args}}{{break}}{{.}}{{end}}.", "."},
        {"{{range $i, $e := .Args}}{{if eq $i 0}}{{continue}}{{end}}{{$e}}{{end}}", "daemon off;"},
        {"{{range .Args}}{{range $.Config.Env}}{{break}}{{end}}{{.}}{{end}}", "-gdaemon off;"},
        {"{{$n := 0}}{{range .Args}}{{$n = len .}}{{end}}{{$n}}", "11"},
        {"{{range $p, $b := .NetworkSettings.Ports}}{{$p}}{{with $b}}->{{(index . 0).HostPort}}"
         "{{end}} {{end}}",
         "443/tcp 80/tcp->8080 "},
    };
    check_all(cases);
}

TEST_CASE("functions of templates") {
    const TemplateCase cases[] = {
        {"{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}", "8080"},
        {"{{index .NetworkSettings.Ports \"80/tcp\" 0 \"HostPort\"}}", "8080"},
        {"{{join .Args \", \"}}", "-g, daemon off;"},
        {"{{len .Args}} {{len .Id}} {{len .Config.Labels}} {{len .State.Error}}", "2 3 2 0"},
        {"{{.Name | upper}} {{lower \"AB\"}} {{title \"up and_down x-y\"}}",
         "/SHOP-WEB-1 ab Up And_down X-Y"},
        {"{{json .State.Health | println}}", "{\"Status\":\"healthy\"}\n"},
        {"{{range split .Name \"-\"}}<{{.}}>{{end}}", "</shop><web><1>"},
        {"{{json (split \"a,,b,\" \",\")}} {{json (split \"aé\" \"\")}}",
         R"(["a","","b",""] ["a","é"])"},
        {"{{truncate .Id 2}} {{truncate .Id 9}} {{slice .Id 1}} {{slice .Id 1 2}} {{slice .Args 1}}",
         "ab abc bc b [daemon off;]"},
        {"[{{pad .Id 1 2}}][{{pad \"\" 1 2}}]", "[ abc  ][]"},
        {"{{print .Id 1 2 \"x\" .Args}}", "abc1 2x[-g daemon off;]"},
        {"{{println .Id 1 nil}}", "abc 1 <nil>\n"},
        {"{{.Id | printf \"%s-%s\" \"x\"}}", "x-abc"},
        {"{{index .Id 0}} {{'a'}} {{'\\n'}}", "97 97 10"},
        {"{{slice .Name 1 | printf \"%-12s|\" | upper}}", "SHOP-WEB-1  |"},
        {"{{(print .Id \"x\") | len}}", "4"},
    };
    check_all(cases);
}

TEST_CASE("printf of templates has Go's verbs") {
    const TemplateCase cases[] = {
        {"{{printf \"%d|%5d|%-5d|%05d|%+d\" 7 7 7 7 7}}", "7|    7|7    |00007|+7"},
        {"{{printf \"%x %X %o %b %c %U %q\" 255 255 8 5 0x41 0x41 'a'}}",
         "ff FF 10 101 A U+0041 'a'"},
        {"{{printf \"%s %q %.2s %5s|%-5s|%x\" \"a\" \"b\\n\" \"xyz\" \"é\" \"r\" \"hi\"}}",
         "a \"b\\n\" xy     é|r    |6869"},
        {"{{printf \"%v %v %v %v\" .Args .Config.Labels nil true}}",
         "[-g daemon off;] map[a:1 b.c:2] <nil> true"},
        {"{{printf \"%q\" .Args}}", R"(["-g" "daemon off;"])"},
        {"{{printf \"%.2f %6.1f %e %g\" 3.14159 2.0 1500.0 0.25}}",
         "3.14    2.0 1.500000e+03 0.25"},
        {"{{printf \"%t %T %% %*d\" true .Id 3 7}}", "true string %   7"},
        {"{{printf \"%d\" \"x\"}} {{printf \"%s\" 1}} {{printf \"%d\"}} {{printf \"%\"}}",
         "%!d(string=x) %!s(int=1) %!d(MISSING) %!(NOVERB)"},
        {"{{printf \"x\" 1}}", "x%!(EXTRA int=1)"},
    };
    check_all(cases);
}

TEST_CASE("variables and literals of templates") {
    const TemplateCase cases[] = {
        {"{{$x := .Name}}{{$x}} {{$x | len}}", "/shop-web-1 11"},
        {"{{$x := 1}}{{if true}}{{$x = 2}}{{$x := 3}}{{end}}{{$x}}", "2"},
        {"{{with .State}}{{$.Id}} {{.Pid}}{{end}}", "abc 4711"},
        {"{{$s := .State}}{{$s.Health.Status}}", "healthy"},
        {"{{\"a\\tb\\x41\\u00e9\\101\\\"\"}} {{`a\\t`}}",
         "a\tbA\xC3\xA9"
         "A\" a\\t"},
        {"{{0x1F}} {{-3}} {{1_000}} {{0b101}} {{1.5}} {{1e3}} {{1e6}} {{.5}}",
         "31 -3 1000 5 1.5 1000 1e+06 0.5"},
        {"{{true}} {{false}}", "true false"},
        {"{{\"}}\"}}{{`{{`}}", "}}{{"},
        {"{{\"\\n\"}}", "\n"},
    };
    check_all(cases);
}

TEST_CASE("comments and trim markers of templates") {
    const TemplateCase cases[] = {
        {"a{{/* a }} comment */}}b", "ab"},
        {"a {{- /* a comment */ -}} b", "ab"},
        {"a \n{{- .Id -}}\n b", "aabcb"},
        {"a {{.Id -}} b", "a abcb"},
        {"a {{- .Id}} b", "aabc b"},
        {"{{range .Args -}}\n  {{.}}\n{{- end}}", "-gdaemon off;"},
        {"{{if true}} x {{- else -}} y {{end}}", " x"},
        {"{{ 3 -}} 4", "34"},
    };
    check_all(cases);
}

TEST_CASE("fields that docker leaves out of its JSON are empty in templates") {
    TemplateOptions options;
    options.optional_fields = {{"Healthcheck", nullptr}, {"User", ""}};
    CHECK(filled("{{if .Config.Healthcheck}}yes{{else}}no{{end}}", options) == "no");
    CHECK(filled("[{{.Config.User}}]", options) == "[]");
    CHECK(filled("{{.Config.Healthcheck}}", options) == "<no value>");
    CHECK(filled("{{.Config.Healthcheck.Test}}", options) ==
          "error: read the template, column 3: '.Config.Healthcheck' is not there, nor its 'Test'");
}

TEST_CASE("the whole value may have a method for labels") {
    TemplateOptions options;
    options.label = [](const std::string& name) { return "<" + name + ">"; };
    CHECK(filled("{{.Label \"a.b\"}} {{$.Label \"c\"}} {{\"d\" | .Label}}", options) ==
          "<a.b> <c> <d>");
    CHECK(filled("{{if eq (.Label \"a\") \"<a>\"}}same{{end}}", options) == "same");
    CHECK(filled("{{range .Args}}{{$.Label .}}{{end}}", options) == "<-g><daemon off;>");
    CHECK(filled("{{.Label}}", options) ==
          "error: read the template, column 3: '.Label' takes the name of one label");
}
