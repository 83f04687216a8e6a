#include "builder/expand.h"

#include <doctest/doctest.h>
#include <map>
#include <set>

namespace davit::builder {
namespace {

const std::map<std::string, std::string> kVariables = {
    {"x", "value"},   {"empty", ""},  {"path", "/usr/lib/a.tar.gz"},
    {"star", "a*b"},  {"two", "a b"}, {"v", "1.2.3-rc.1"},
    {"quote", "it's"}};

Lookup lookup() {
    return [](const std::string& name) -> std::optional<std::string> {
        const auto found = kVariables.find(name);
        if (found == kVariables.end()) return std::nullopt;
        return found->second;
    };
}

std::string expanded(const std::string& word, char escape = '\\') {
    const auto result = expand_word(word, {.escape = escape, .lookup = lookup()});
    return result ? *result : "! " + result.error().to_string();
}

}  // namespace

TEST_CASE("words of a Dockerfile are expanded as BuildKit does it") {
    const std::pair<const char*, const char*> cases[] = {
        {"hello", "hello"},
        {"he'll'o", "hello"},
        {"he\"ll\"o", "hello"},
        {"'$x'", "$x"},
        {"\"$x\"", "value"},
        {"\\$x", "$x"},
        {"\"\\$x \\\\ \\\" \\a\"", "$x \\ \" \\a"},
        {"'\\a'", "\\a"},
        {"$x", "value"},
        {"${x}y", "valuey"},
        {"$xy", ""},
        {"$x-y", "value-y"},
        {"$", "$"},
        {"a$", "a$"},
        {"$.", "$."},
        {"$1a", "a"},
        {"${none}", ""},
        {"${none:-d}", "d"},
        {"${empty:-d}", "d"},
        {"${empty-d}", ""},
        {"${none-d}", "d"},
        {"${x:+d}", "d"},
        {"${empty:+d}", ""},
        {"${empty+d}", "d"},
        {"${none+d}", ""},
        {"${none:-${x}}", "value"},
        {"${none:-a${x:+b}c}", "abc"},
        {"${none:-'}'}", "}"},
        {"${none:-\"a b\"}", "a b"},
        {"${x?m}", "value"},
        {"${none?m}", "! none: m"},
        {"${none:?no $x here}", "! none: no value here"},
        {"${empty:?}", "! empty: is not set or empty"},
        {"${path#*/}", "usr/lib/a.tar.gz"},
        {"${path##*/}", "a.tar.gz"},
        {"${path%.*}", "/usr/lib/a.tar"},
        {"${path%%.*}", "/usr/lib/a"},
        {"${path%/*}", "/usr/lib"},
        {"${star#a\\*}", "b"},
        {"${star#a\\?}", "a*b"},
        {"${v//./_}", "1_2_3-rc_1"},
        {"${v/./_}", "1_2.3-rc.1"},
        {"${v/-*/}", "1.2.3"},
        {"${v//[/x}", "1.2.3-rc.1"},
        {"${x/$x/new}", "new"},
        {"\xc3\xa4$x", "\xc3\xa4value"},
        {"$quote", "it's"},
        {"'open", "! a single quote is not closed"},
        {"\"open", "! a double quote is not closed"},
        {"${x", "! a '${' is not closed"},
        {"${x:-", "! a '${' is not closed"},
        {"${x#a", "! a '${' is not closed"},
        {"${}", "! '${' has no name of a variable after it"},
        {"${x!}", "! '!' is no modifier of a variable"},
        {"${x:#a}", "! ':#' is no modifier of a variable"},
        {"end\\", "end"},
    };
    for (const auto& [word, text] : cases) {
        CAPTURE(word);
        CHECK(expanded(word) == text);
    }
    CHECK(expanded("`$x C:\\dir", '`') == "$x C:\\dir");
}

TEST_CASE("in a here-document quotes are letters, and the escape character takes itself away") {
    const std::pair<const char*, const char*> cases[] = {
        {R"(echo \"user=\$x\" '$x')", R"(echo "user=$x" 'value')"},
        {R"(it's "$x)", R"(it's "value)"},
        {R"(a\\b\c)", R"(a\bc)"},
        {R"(${none:-'a'})", "'a'"},
    };
    for (const auto& [text, written] : cases) {
        CAPTURE(text);
        const auto result = expand_word(text, {.lookup = lookup(), .quotes = false});
        REQUIRE(result.ok());
        CHECK(*result == written);
    }
}

TEST_CASE("a word is split at blanks of its own and of variables, not at quoted ones") {
    const auto words = expand_words("80 $two \"$two\" '' ${none} c", {.lookup = lookup()});
    REQUIRE(words.ok());
    CHECK(*words == std::vector<std::string>{"80", "a", "b", "a b", "", "c"});
}

TEST_CASE("variables that are not set are told, but not those that may be missing") {
    std::set<std::string> unset;
    REQUIRE(expand_word("$a ${b} ${c:-d} ${e:+f} $x", {.lookup = lookup(), .unset = &unset}).ok());
    CHECK(unset == std::set<std::string>{"a", "b"});
}

TEST_CASE("hostile words end in time") {
    std::string deep;
    for (int i = 0; i < 10'000; ++i) deep += "${a:-";
    CHECK(expand_word(deep, {.lookup = lookup()}).error().to_string() ==
          "variables stand more than 64 deep in each other");
    const std::string many(60'000, 'a');
    const Lookup long_one = [&](const std::string&) { return many; };
    std::string stars = "${x#";
    for (int i = 0; i < 500; ++i) stars += "*a";
    CHECK(expand_word(stars + "b}", {.lookup = long_one}).ok());
    CHECK(expand_word("${x//*a/b}", {.lookup = long_one}).error().to_string() ==
          "'x' is too long to be searched for this pattern");
}

TEST_CASE("values that grow with every line end before memory does") {
    std::string value = "x";
    const Lookup doubling = [&](const std::string&) { return value; };
    Result<std::string> grown(value);
    int lines = 0;
    for (; lines < 40; ++lines) {
        grown = expand_word("$a\"$a\"", {.lookup = doubling});
        if (!grown) break;
        value = *grown;
    }
    CHECK(lines == 18);  // 256 KiB
    CHECK(grown.error().to_string() == "the variables in it have more than 256 KiB");
    CHECK_FALSE(expand_word("${b#$a$a}", {.lookup = doubling}).ok());
    const std::string text(1 << 20, 'x');
    CHECK(expand_word(text, {}).ok());  // as long as whoever writes it wants
}

}  // namespace davit::builder
