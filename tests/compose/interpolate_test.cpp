#include "compose/interpolate.h"

#include "tests/compose/support.h"

#include <fmt/format.h>

namespace davit::compose {
namespace {

const Variables kVariables = {{"SET", "value"}, {"EMPTY", ""}, {"DOLLAR", "$SET"}, {"_x1", "low"}};

struct Answer {
    std::string text = {};
    std::string remarks = {};
};

Answer run(const std::string& text) {
    std::vector<InterpolationRemark> remarks;
    Answer answer;
    answer.text = interpolate(text, lookup_in(kVariables), remarks);
    for (const InterpolationRemark& remark : remarks)
        answer.remarks += fmt::format("{}+{} {}", remark.offset, remark.length, remark.message);
    return answer;
}

}  // namespace

TEST_CASE("variables are replaced") {
    struct Case {
        const char* text;
        const char* expected;
    };
    const Case cases[] = {
        {"plain", "plain"},
        {"$SET/${SET}", "value/value"},
        {"$_x1-", "low-"},
        {"$$SET $$$SET", "$SET $value"},
        {"$1 $(cmd) $ a$", "$1 $(cmd) $ a$"},
        {"\\$SET", "\\value"},
        {"$DOLLAR", "$SET"},
        {"${EMPTY}", ""},
        {"${NO:-default}", "default"},
        {"${NO-default}", "default"},
        {"${EMPTY:-default}", "default"},
        {"${EMPTY-default}", ""},
        {"${SET:-default}", "value"},
        {"${NO:-}", ""},
        {"${NO:-a:b?c-d+e}", "a:b?c-d+e"},
        {"${NO-a:-b}", "a:-b"},
        {"${SET:+yes}${SET+yes}", "yesyes"},
        {"${EMPTY:+yes}|${EMPTY+yes}|${NO:+yes}|${NO+yes}", "|yes||"},
        {"${SET:?no}${EMPTY?no}", "value"},
        {"${NO:-${ALSO:-${SET}}}", "value"},
        {"${NO:-{\"a\": \"${SET}\"}}", "{\"a\": \"value\"}"},
        {"${NO:-}}", "}"},
        {"${SET:-${NO:?lazy}}", "value"},
        {"${NO:+${NO}}", ""},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        const Answer answer = run(c.text);
        CHECK(answer.text == c.expected);
        CHECK(answer.remarks.empty());
    }
}

TEST_CASE("what can not be replaced is named with its place") {
    struct Case {
        const char* text;
        const char* remarks;
    };
    const Case cases[] = {
        {"a $NO", "2+3 the variable 'NO' is not set, an empty string stands for it"},
        {"a ${NO}b", "2+5 the variable 'NO' is not set, an empty string stands for it"},
        {"${NO:-x$NO}", "7+3 the variable 'NO' is not set, an empty string stands for it"},
        {"${NO:?say $SET}", "0+15 the required variable 'NO' is not set: say value"},
        {"${NO?}", "0+6 the required variable 'NO' is not set"},
        {"x${EMPTY:?}", "1+10 the required variable 'EMPTY' is empty"},
        {"${1}", "0+4 '${1}' is not a variable reference"},
        {"${}", "0+3 '${}' is not a variable reference"},
        {"${ A}", "0+5 '${ A}' is not a variable reference"},
        {"${A=x}", "0+6 '${A=x}' is not a variable reference"},
        {"${A.B}", "0+6 '${A.B}' is not a variable reference"},
        {"${A:0:2}", "0+8 '${A:0:2}' is not a variable reference"},
        {"a${B", "1+3 '${' has no closing '}'"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        CHECK(run(c.text).remarks == c.remarks);
    }
}

TEST_CASE("deep nesting ends in a remark") {
    std::string text;
    for (int i = 0; i < 10'000; ++i) text += "${A:-";
    text += std::string(10'000, '}');
    CHECK(run(text).remarks.find("nested more than 50 deep") != std::string::npos);
}

TEST_CASE("an unset variable warns once and a missing one errs at its dollar") {
    const testing::Loaded warned = testing::load_web("    user: \"u$NO\"\n    hostname: h$NO\n");
    CHECK(warned.service("web").user == "u");
    CHECK(warned.remarks ==
          "compose.yaml:4:13: the variable 'NO' is not set, an empty string stands for it\n");

    const testing::Loaded failed = testing::load_web("    user: u${NO:?tell me}\n");
    CHECK(!failed.result);
    CHECK(failed.remarks == "compose.yaml:4:12: the required variable 'NO' is not set: tell me\n");
}

TEST_CASE("variables are collected with what texts say of them") {
    VariableUses uses;
    collect_variables("$A ${B} $$C $${D} $1 ${E:-x}${E:-y} ${F-} ${F:+on} ${G:?say} ${H?}", uses);
    collect_variables("${A:-${INNER:-deep}} ${G} ${OTHER:+${ALSO}} ${NOTE:?$WHY}", uses);
    const VariableUses expected = {{"A", {"${INNER:-deep}", "", false}},
                                   {"ALSO", {}},
                                   {"B", {}},
                                   {"E", {"x", "", false}},
                                   {"F", {"", "on", false}},
                                   {"G", {"", "", true}},
                                   {"H", {"", "", true}},
                                   {"INNER", {"deep", "", false}},
                                   {"NOTE", {"", "", true}},
                                   {"OTHER", {"", "${ALSO}", false}},
                                   {"WHY", {}}};
    CHECK(uses == expected);

    uses.clear();
    for (const char* text : {"", "$", "${", "${}", "$$", "${A", "${:-x}", "${1}", "a$"})
        collect_variables(text, uses);
    CHECK(uses.empty());
    std::string deep;
    for (int i = 0; i < 1000; ++i) deep += "${A:-";
    collect_variables(deep + std::string(1000, '}'), uses);
    CHECK(uses.size() == 1);
}

}  // namespace davit::compose
