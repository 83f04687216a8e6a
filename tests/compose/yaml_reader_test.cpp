#include "compose/yaml_reader.h"

#include "tests/compose/support.h"

#include <chrono>
#include <fmt/format.h>

namespace davit::compose {
namespace {

/// A tree in one line: {a: 'quoted', b: [plain, ~]}.
std::string outline(const Node& node) {
    std::string text = node.tag.empty() ? "" : node.tag + " ";
    switch (node.kind) {
        case NodeKind::Null: return text + "~";
        case NodeKind::Scalar: return text + (node.is_string ? "'" + node.text + "'" : node.text);
        case NodeKind::Sequence:
            for (const Node& item : node.items)
                text += (&item == &node.items[0] ? "" : ", ") + outline(item);
            return "[" + text + "]";
        case NodeKind::Mapping:
            for (const Node& item : node.items)
                text += (&item == &node.items[0] ? "" : ", ") + item.key + ": " + outline(item);
            return "{" + text + "}";
    }
    return "?";
}

struct Read {
    std::string trees = {};
    std::string remarks = {};
    std::vector<Node> documents = {};
};

Read read(const std::string& text, const YamlLimits& limits = {}) {
    Diagnostics diagnostics;
    Read result;
    const auto documents = read_yaml(make_source("f", text), diagnostics, limits);
    if (documents) result.documents = *documents;
    for (const Node& document : result.documents) result.trees += outline(document);
    result.remarks = testing::summary(diagnostics);
    return result;
}

/// "line:column+length" of the value that `path` leads to.
std::string place(const Node& root, const std::vector<std::string>& path, bool of_key) {
    const Node* node = &root;
    for (const std::string& key : path) {
        node =
            node->kind == NodeKind::Sequence ? &node->items.at(std::stoul(key)) : node->find(key);
        REQUIRE(node != nullptr);
    }
    const SourcePos& pos = of_key ? node->key_pos : node->pos;
    return fmt::format("{}:{}+{}", pos.line, pos.column, pos.length);
}

}  // namespace

TEST_CASE("documents become trees") {
    struct Case {
        const char* text;
        const char* tree;
    };
    const Case cases[] = {
        {"a: 1\nb: 'x'\nc: \"y\"\nd:\ne: |\n  z\n", "{a: 1, b: 'x', c: 'y', d: ~, e: 'z\n'}"},
        {"- a\n- [b, {c: d}]\n", "[a, [b, {c: d}]]"},
        {"a: &x [1]\nb: *x\n", "{a: [1], b: [1]}"},
        {"a: &k key\n*k : v\n", "{a: key, key: v}"},
        {"a: &x 1\nb: &x 2\nc: *x\n", "{a: 1, b: 2, c: 2}"},
        {"a: !reset null\nb: !override [1]\nc: !reset\n",
         "{a: !reset ~, b: [!override 1], c: !reset ~}"},
        {"a: !!str 5\nb: !!int 5\n", "{a: '5', b: 5}"},
        {"a: {}\n---\nb: []\n", "{a: {}}{b: []}"},
        {"\xEF\xBB\xBF"
         "a: 1\r\nb: 2\r\n",
         "{a: 1, b: 2}"},
        {"# nothing\n", ""},
        {"{\"a\": [1, \"2\"]}", "{a: [1, '2']}"},
        {"d: &d {a: 1, b: 2}\ne: {<<: *d, b: 3}\n", "{d: {a: 1, b: 2}, e: {b: 3, a: 1}}"},
        {"e: {<<: [{a: 1}, {a: 2, b: 2}], c: 3}\n", "{e: {c: 3, a: 1, b: 2}}"},
        {"e: {\"<<\": {a: 1}}\n", "{e: {<<: {a: 1}}}"},
        {"d: &d {<<: {a: 1}}\ne: {<<: *d}\n", "{d: {a: 1}, e: {a: 1}}"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        const Read result = read(c.text);
        CHECK(result.trees == c.tree);
        CHECK(result.remarks.empty());
    }
}

TEST_CASE("what is not yaml is refused with its place") {
    struct Case {
        const char* text;
        const char* remarks;
    };
    const Case cases[] = {
        {"a: 1\nb: 2\na: 3\n", "f:3:1: the key 'a' stands here twice\n"},
        {"1: a\ntrue: b\n",
         "f:1:1: a key must be a string, found the number 1\n"
         "f:2:1: a key must be a string, found the boolean true\n"},
        {"[a]: b\n", "f:1:1: a key must be a string, found a list\n"},
        {"a: &x [1, *x]\n", "f:1:11: the alias stands inside the value that its anchor names\n"},
        {"a: *nowhere\n",
         "f:1:4: the file is not valid YAML: the referenced anchor is not defined\n"},
        {"a: b: c\n", "f:1:5: the file is not valid YAML: illegal map value\n"},
        {"a: \"b\nc: d\n", "f:1:4: the quoted text that begins here has no end\n"},
        {"a: 'b\n", "f:1:4: the quoted text that begins here has no end\n"},
        {"a: [1\n", "f:2:1: the file is not valid YAML: end of sequence flow not found\n"},
        {"a: b\xFF\n", "f:1:5: the byte 0xff is not UTF-8\n"},
        {"a: \xC0\x80\n", "f:1:4: the byte 0xc0 is not UTF-8\n"},
        {"a: b\x01\n", "f:1:5: the control character 0x01 must not stand in a YAML file\n"},
        {"a: {<<: 1}\n", "f:1:9: '<<' takes a mapping or a list of mappings, found the number 1\n"},
        {"a: {<<: {}, <<: {}}\n", "f:1:13: the key '<<' stands here twice\n"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        std::string remarks = read(c.text).remarks;
        // yaml-cpp 0.8 names the anchor.
        if (const std::size_t at = remarks.find(": nowhere"); at != std::string::npos)
            remarks.erase(at, std::string_view(": nowhere").size());
        CHECK(remarks == c.remarks);
    }
}

TEST_CASE("every node knows its place") {
    const Read result = read(
        "services:\n"
        "  web:   &w\n"
        "    image: \"nginx\"\n"
        "    ports:\n"
        "      - 80\n"
        "    user: &u !!str\n"
        "      # a comment\n"
        "      'x y'\n"
        "  api: *w\n");
    REQUIRE(result.documents.size() == 1);
    const Node& root = result.documents.front();
    CHECK(place(root, {"services"}, true) == "1:1+8");
    CHECK(place(root, {"services", "web"}, true) == "2:3+3");
    CHECK(place(root, {"services", "web", "image"}, true) == "3:5+5");
    CHECK(place(root, {"services", "web", "image"}, false) == "3:12+7");
    CHECK(place(root, {"services", "web", "ports", "0"}, false) == "5:9+2");
    CHECK(place(root, {"services", "web", "user"}, false) == "8:7+5");
    CHECK(place(root, {"services", "api"}, false) == "9:8+2");
    CHECK(place(root, {"services", "api", "image"}, false) == "3:12+7");
}

TEST_CASE("yaml bombs are stopped") {
    std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i <= 12; ++i)
        laughs += fmt::format(
            "a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n", i,
            i - 1);
    std::string long_text = "a: &a \"" + std::string(100'000, 'x') + "\"\nb: [";
    for (int i = 0; i < 2000; ++i) long_text += "*a, ";
    std::string ladder = "a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n";
    for (int i = 1; i <= 20; ++i)
        ladder += fmt::format("a{0}: &a{0} [[[[[[[[[[*a{1}]]]]]]]]]]\n", i, i - 1);
    std::string merges = "a: &a {";
    for (int i = 0; i < 1000; ++i) merges += fmt::format("k{}: v, ", i);
    merges += "}\n";
    for (int i = 0; i < 2000; ++i) merges += fmt::format("m{}: {{<<: *a}}\n", i);

    struct Case {
        const char* name;
        std::string text;
        const char* remark;
    };
    const Case cases[] = {
        {"billion laughs", laughs, "the file has more than 300000 values or 16 MiB of text"},
        {"much text many times", long_text + "]\n",
         "the file has more than 300000 values or 16 MiB"},
        {"merged many times", merges, "the file has more than 300000 values or 16 MiB of text"},
        {"a ladder of aliases", ladder, "values are nested more than 100 deep"},
        {"deep lists", std::string(100'000, '['), "values are nested more than 100 deep"},
        {"deep mappings", std::string(100'000, '{'), "values are nested more than 100 deep"},
    };
    for (const Case& c : cases) {
        SUBCASE(c.name) {
            const auto before = std::chrono::steady_clock::now();
            CHECK(read(c.text).remarks.find(c.remark) != std::string::npos);
            CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(30));
        }
    }
}

TEST_CASE("limits can be set lower") {
    CHECK(read("[1, 2, 3]", {.nodes = 4}).remarks.empty());
    CHECK(!read("[1, 2, 3, 4]", {.nodes = 4}).remarks.empty());
    CHECK(!read("[[1]]", {.depth = 1}).remarks.empty());
}

}  // namespace davit::compose
