#include "compose/dotenv.h"

#include "compose/yaml_reader.h"
#include "tests/compose/support.h"

namespace davit::compose {
namespace {

struct Parsed {
    Variables variables = {};
    std::string remarks = {};
};

Parsed parse(const std::string& text) {
    const Variables outer = {{"OUTER", "out"}};
    Diagnostics diagnostics;
    Parsed parsed;
    parse_dotenv(make_source(".env", text), lookup_in(outer), parsed.variables, diagnostics);
    parsed.remarks = testing::summary(diagnostics);
    return parsed;
}

}  // namespace

TEST_CASE("dotenv lines") {
    struct Case {
        const char* text;
        Variables expected;
    };
    const Case cases[] = {
        {"A=1", {{"A", "1"}}},
        {"  A = 1  \n", {{"A", "1"}}},
        {"export A=1", {{"A", "1"}}},
        {"export=1", {{"export", "1"}}},
        {"A: 1", {{"A", "1"}}},
        {"A=", {{"A", ""}}},
        {"A=x # c", {{"A", "x"}}},
        {"A=x# c", {{"A", "x# c"}}},
        {"A=#x", {{"A", "#x"}}},
        {"# c\n\nA=1\r\nB=2\r\n", {{"A", "1"}, {"B", "2"}}},
        {"A=\"x # y\" # z\nB=1", {{"A", "x # y"}, {"B", "1"}}},
        {"A='$OUTER \\n' # z", {{"A", "$OUTER \\n"}}},
        {"A='it\\'s'", {{"A", "it's"}}},
        {"A=\"a\\nb\\t\\\"q\\\" \\$OUTER $OUTER\"", {{"A", "a\nb\t\"q\" $OUTER out"}}},
        {"A=a\\nb", {{"A", "a\\nb"}}},
        {"A=\"two\nlines\"\nB=2", {{"A", "two\nlines"}, {"B", "2"}}},
        {"A=1\nB=${A}$OUTER", {{"A", "1"}, {"B", "1out"}}},
        {"OUTER=mine\nB=$OUTER", {{"OUTER", "mine"}, {"B", "out"}}},
        {"A=1\nA=2", {{"A", "2"}}},
        {"OUTER\nNOWHERE\n", {{"OUTER", "out"}}},
        {"a.b-c[0]=1", {{"a.b-c[0]", "1"}}},
        {"A=\"x\"y\nB=1", {{"A", "x"}, {"B", "1"}}},
        {"A=x=y", {{"A", "x=y"}}},
        {"", {}},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        const Parsed parsed = parse(c.text);
        CHECK(parsed.variables == c.expected);
        CHECK(parsed.remarks.empty());
    }
}

TEST_CASE("dotenv mistakes have their place") {
    struct Case {
        const char* text;
        const char* remarks;
    };
    const Case cases[] = {
        {"A=1\nB!=2\nC=3", ".env:2:2: a variable's name can't contain '!'\n"},
        {"A B=1", ".env:1:1: the name 'A' is followed by a blank and more text\n"},
        {"=1", ".env:1:1: a variable's name can't contain '='\n"},
        {"A=1\nB=\"x\nC=3", ".env:2:3: the value of 'B' has no closing quotation mark\n"},
        {"A=x${NO}", ".env:1:4: the variable 'NO' is not set, an empty string stands for it\n"},
        {"A=${NO:?why}", ".env:1:3: the required variable 'NO' is not set: why\n"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        CHECK(parse(c.text).remarks == c.remarks);
    }
}

}  // namespace davit::compose
