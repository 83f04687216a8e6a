#include "cli/log_view.h"

#include "base/duration.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::cli;

namespace {

stack::LogLine line(std::size_t source, const std::string& text) {
    stack::LogLine made;
    made.source = source;
    made.text = text;
    made.time = *parse_rfc3339("2026-01-02T03:04:05.000000006Z");
    return made;
}

LogViewOptions on_terminal() {
    LogViewOptions options;
    options.terminal = true;
    return options;
}

}  // namespace

TEST_CASE("prefixes are as wide as the longest name") {
    LogView view({"web-1", "database-1"}, {});
    CHECK(view.add(line(0, "hello\n")) == "web-1       | hello\n");
    CHECK(view.add(line(1, "ready\n")) == "database-1  | ready\n");
    CHECK(view.add(line(1, "\n")) == "database-1  | \n");
}

TEST_CASE("prefixes can be coloured or left out and lines can have times") {
    LogViewOptions options;
    options.colour = true;
    LogView colour({"a", "b"}, options);
    CHECK(colour.add(line(0, "x\n")) == "\x1b[36ma  |\x1b[0m x\n");
    CHECK(colour.add(line(1, "x\n")) == "\x1b[33mb  |\x1b[0m x\n");
    options = {};
    options.timestamps = true;
    CHECK(LogView({"a"}, options).add(line(0, "x\n")) == "a  | 2026-01-02T03:04:05.000000006Z x\n");
    options.prefix = false;
    CHECK(LogView({"a"}, options).add(line(0, "x\n")) == "2026-01-02T03:04:05.000000006Z x\n");
    options.timestamps = false;
    CHECK(LogView({"a"}, options).add(line(0, "raw \x1b[2K\n")) == "raw \x1b[2K\n");
}

TEST_CASE("parts of a long line are put together per container") {
    LogView view({"a", "b"}, {});
    CHECK(view.add(line(0, "one ")).empty());
    CHECK(view.add(line(1, "other\n")) == "b  | other\n");
    CHECK(view.add(line(0, "line\n")) == "a  | one line\n");
    CHECK(view.add(line(0, "no end")).empty());
    CHECK(view.flush() == "a  | no end\n");
    CHECK(view.flush().empty());
}

TEST_CASE("on a terminal no container can write in the name of another") {
    struct Case {
        const char* text;
        const char* expected;
    };
    const Case cases[] = {
        {"\r\x1b[2Kdb | fake\n", "a  | \na  | \\x1b[2Kdb | fake\x1b[0m\n"},
        {"one\r\n", "a  | one\n"},
        {"50%\r100%\n", "a  | 50%\na  | 100%\n"},
        {"\x1b]52;c;ZXZpbA==\x07\n", "a  | \\x1b]52;c;ZXZpbA==\\x07\n"},
        {"\x9b"
         "2J\n",
         "a  | \\x9b2J\n"},
        {"\xc2\x9b"
         "2J\n",
         "a  | \\x9b2J\n"},
        {"\xe2\x80\xae"
         "txt\n",
         "a  | \\u202etxt\n"},
        {"tab\there\n", "a  | tab\there\n"},
        {"\x1b[31mred\n", "a  | \x1b[31mred\x1b[0m\n"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.expected);
        LogView view({"a"}, on_terminal());
        CHECK(view.add(line(0, c.text)) == c.expected);
    }
}

TEST_CASE("every physical line has a prefix also where the output is no terminal") {
    LogView view({"a"}, {});
    CHECK(view.add(line(0, "one\ntwo\n")) == "a  | one\na  | two\n");
    CHECK(view.add(line(0, "x\ry\n")) == "a  | x\ry\n");
}

TEST_CASE("names are shown without their project") {
    CHECK(short_name("shop-web-1", "shop") == "web-1");
    CHECK(short_name("my-own-name", "shop") == "my-own-name");
    CHECK(short_name("shop-", "shop") == "shop-");
    CHECK(short_name("shopping-web-1", "shop") == "shopping-web-1");
}
