#include "cli/row_format.h"

#include "cli/image_rows.h"
#include "cli/inspect_text.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::cli;

namespace {

RowKind some_kind() {
    return {{{"ID", "CONTAINER ID"}, {"Names", "NAMES"}, {"RunningFor", "CREATED"}},
            {"ID", "Names"},
            "{{.Names}}"};
}

std::vector<ListedRow> some_rows() {
    return {{{{"ID", "aaaaaaaaaaaa"}, {"Names", "shop-web-1"}, {"RunningFor", "2 minutes ago"}},
             {{"com.docker.compose.project", "shop"}}},
            {{{"ID", "bb"}, {"Names", "shop-a-rather-long-name-1"}, {"RunningFor", "now"}}, {}}};
}

std::string listed(const std::string& format, const std::vector<ListedRow>& rows = some_rows()) {
    const Result<RowFormat> parsed = RowFormat::parse(format, some_kind());
    if (!parsed) return "error: " + parsed.error().to_string();
    const Result<std::string> text = parsed->text(rows);
    return text ? *text : "error: " + text.error().to_string();
}

}  // namespace

TEST_CASE("rows are listed in the format that is asked for") {
    CHECK(listed("table") ==
          "CONTAINER ID   NAMES\n"
          "aaaaaaaaaaaa   shop-web-1\n"
          "bb             shop-a-rather-long-name-1\n");
    CHECK(listed("table", {}) == "CONTAINER ID   NAMES\n");
    CHECK(listed("json", {some_rows()[1]}) ==
          "{\"ID\":\"bb\",\"Names\":\"shop-a-rather-long-name-1\",\"RunningFor\":\"now\"}\n");
    CHECK(listed("{{.ID}}: {{.Names}}") ==
          "aaaaaaaaaaaa: shop-web-1\nbb: shop-a-rather-long-name-1\n");
    CHECK(listed(R"(  {{.ID}}\t{{.Names}}\n)") ==
          "aaaaaaaaaaaa\tshop-web-1\n\nbb\tshop-a-rather-long-name-1\n\n");
    CHECK(listed("{{.ID}}", {}) == "");
}

TEST_CASE("a table of a template has titles and columns") {
    CHECK(listed(R"(table {{.Names}}\t{{.ID}})") ==
          "NAMES                       CONTAINER ID\n"
          "shop-web-1                  aaaaaaaaaaaa\n"
          "shop-a-rather-long-name-1   bb\n");
    CHECK(listed("table {{.ID}}\t{{.RunningFor | upper}}") ==
          "CONTAINER ID   CREATED\n"
          "aaaaaaaaaaaa   2 MINUTES AGO\n"
          "bb             NOW\n");
    CHECK(listed(R"(table{{slice .ID 0 2}}\t{{.Label "com.docker.compose.project"}}\t.)") ==
          "CO        project   .\n"
          "aa        shop      .\n"
          "bb                  .\n");
    CHECK(listed(R"(table {{.Names}}\t{{if .RunningFor}}{{.RunningFor}}{{else}}N/A{{end}})", {}) ==
          "NAMES     CREATED\n");
    CHECK(listed(R"(table {{truncate .ID 4}}\t{{json .Names}})", {some_rows()[1]}) ==
          "CONTAINER ID   NAMES\n"
          "bb             \"shop-a-rather-long-name-1\"\n");
    CHECK(listed(R"(table {{.Names}}\t{{.Label "a.config-hash"}}\t{{.Other}})", {}) ==
          "NAMES     config hash   <no value>\n");
}

TEST_CASE("a cell of a table can't steer the terminal") {
    ListedRow row = some_rows()[0];
    row.fields["Names"] = "\x1b[2Jred";
    CHECK(listed(R"(table {{.Names}}\t{{.ID}})", {row}) ==
          "NAMES        CONTAINER ID\n"
          "\\x1b[2Jred   aaaaaaaaaaaa\n");
}

TEST_CASE("formats that can't be are refused before anything is listed") {
    CHECK(listed("tabel") == "error: unknown format 'tabel'");
    CHECK(listed("table names") == "error: unknown format 'table names'");
    CHECK(RowFormat::parse("raw", some_kind()).error().help() ==
          "use table, json, a template such as '{{.Names}}' or 'table {{.Names}}'");
    CHECK(listed("{{.Names", {}) == "error: read the template, column 1: a '{{' has no '}}'");
    CHECK(listed("{{.Nmes}}") == "error: read the template, column 3: '.' has no field 'Nmes'");
}

TEST_CASE("tabs make columns as far as lines have them") {
    CHECK(align_tabs("") == "");
    CHECK(align_tabs("no tabs\n") == "no tabs\n");
    CHECK(align_tabs("a\tb\tc\nlonger than ten\tx\ty\n") ==
          "a                 b         c\nlonger than ten   x         y\n");
    CHECK(align_tabs("a\tb\nno tab that is long\nlong enough to count\tc\n") ==
          "a         b\nno tab that is long\nlong enough to count   c\n");
    CHECK(align_tabs("é\tb") == "é         b");
    CHECK(align_tabs("\t\tx\na\tb\n") == "                    x\na         b\n");
}

TEST_CASE("images have their digests in a table where they are asked for") {
    ImageRowOptions options;
    CHECK(*RowFormat::parse("table", image_kind(options))->text({}) ==
          "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n");
    options.digests = true;
    CHECK(*RowFormat::parse("table", image_kind(options))->text({}) ==
          "REPOSITORY   TAG       DIGEST    IMAGE ID   CREATED   SIZE\n");
    CHECK(*RowFormat::parse(R"(table {{.Repository}}\t{{.CreatedAt}})", image_kind(options))
               ->text({}) == "REPOSITORY   CREATED AT\n");
}

TEST_CASE("what inspect prints is JSON or a template's text for each object") {
    const Json all = Json::parse(R"([
        {"Id": "a", "State": {"Health": {"Status": "healthy"}}, "Mounts": [{"Source": "/a"}]},
        {"Id": "b", "State": {"Pid": 1}, "Mounts": []}])");
    const Json small = Json::parse(R"([{"a": 1}])");
    const auto inspected = [](const std::string& format, const Json& json) {
        std::string text;
        const Result<void> made = inspect_text(format, json, text);
        return made ? text : text + "error: " + made.error().to_string();
    };
    CHECK(inspected("json", small) == "[{\"a\":1}]\n");
    CHECK(inspected("", small) == "[\n    {\n        \"a\": 1\n    }\n]\n");
    CHECK(inspected("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", all) ==
          "healthy\nnone\n");
    CHECK(inspected(R"({{.Id}}\t{{range .Mounts}}{{.Name}}:{{.Source}}{{end}})", all) ==
          "a\\t:/a\nb\\t\n");
    CHECK(inspected("{{.State.Health.Status}}", all) ==
          "healthy\nerror: read the template, column 3: '.State.Health' is not there, nor its "
          "'Status'");
}
