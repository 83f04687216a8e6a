#include "compose/document.h"

#include "base/strings.h"
#include "compose/node_access.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <fmt/format.h>
#include <optional>

namespace davit::compose {
namespace {

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& words) {
    return std::find(words.begin(), words.end(), text) != words.end();
}

std::string without_underscores(std::string_view text) {
    std::string plain(text);
    std::erase(plain, '_');
    return plain;
}

/// A whole number in the writings of Go: decimal, 0x, 0o, 0b and the octal 0 of YAML 1.1.
/// As decimal text, because both ends of the signed and the unsigned range occur.
std::optional<std::string> whole_number(std::string_view text) {
    std::string plain = without_underscores(text);
    std::string_view digits = plain;
    const bool negative = digits.starts_with('-');
    if (negative || digits.starts_with('+')) digits.remove_prefix(1);
    int base = 10;
    if (digits.size() > 1 && digits.front() == '0') {
        const char mark = digits[1];
        base = mark == 'x' || mark == 'X' ? 16 : mark == 'b' || mark == 'B' ? 2 : 8;
        digits.remove_prefix(mark >= '0' && mark <= '9' ? 1 : 2);
        if (base == 8 && mark != 'o' && mark != 'O' && (mark < '0' || mark > '9')) return {};
    }
    std::uint64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, code] = std::from_chars(digits.data(), end, value, base);
    if (code != std::errc() || stop != end) return {};
    if (negative && value > std::uint64_t{1} << 63U) return {};
    return fmt::format("{}{}", negative && value != 0 ? "-" : "", value);
}

bool is_infinite_or_nan(std::string_view text) {
    if (is_one_of(text, std::array<std::string_view, 3>{".nan", ".NaN", ".NAN"})) return true;
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    return is_one_of(text, std::array<std::string_view, 3>{".inf", ".Inf", ".INF"});
}

/// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
std::optional<double> fraction(std::string_view text) {
    std::string plain = without_underscores(text);
    std::string_view rest = plain;
    const bool negative = rest.starts_with('-');
    if (negative || rest.starts_with('+')) rest.remove_prefix(1);
    if (rest.empty() || (rest.front() != '.' && (rest.front() < '0' || rest.front() > '9')))
        return {};
    double value = 0;
    const char* end = rest.data() + rest.size();
    const auto [stop, code] = std::from_chars(rest.data(), end, value);
    if (code != std::errc() || stop != end) return {};
    return negative ? -value : value;
}

/// As Go writes a float64: the fewest digits, with an exponent below 1e-4 and from 1e6 on.
/// @source Go strconv.FormatFloat, format 'g' with precision -1
std::string fraction_text(double value) {
    std::array<char, 64> buffer{};
    const double size = std::fabs(value);
    const bool exponent = value != 0 && (size < 1e-4 || size >= 1e6);
    const auto format = exponent ? std::chars_format::scientific : std::chars_format::fixed;
    const auto [end, code] =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format);
    return code == std::errc() ? std::string(buffer.data(), end) : std::string("0");
}

}  // namespace

const Node* Node::find(std::string_view name) const {
    if (kind != NodeKind::Mapping) return nullptr;
    for (const Node& item : items) {
        if (item.key == name) return &item;
    }
    return nullptr;
}

Node* Node::find(std::string_view name) {
    return const_cast<Node*>(static_cast<const Node*>(this)->find(name));
}

const SourcePos& Node::place() const {
    const bool own = kind == NodeKind::Scalar && (is_string || !text.empty());
    return !own && key_pos ? key_pos : pos;
}

Node& Node::put(std::string name, Node value) {
    value.key = std::move(name);
    if (Node* there = find(value.key)) {
        value.key_pos = there->key_pos;
        *there = std::move(value);
        return *there;
    }
    if (!value.key_pos) value.key_pos = value.pos;
    items.push_back(std::move(value));
    return items.back();
}

bool Node::erase(std::string_view name) {
    return std::erase_if(items, [&](const Node& item) { return item.key == name; }) > 0;
}

void Node::become(Node value) {
    value.key = std::move(key);
    value.key_pos = std::move(key_pos);
    value.tag = std::move(tag);
    *this = std::move(value);
}

Node plain_node(std::string text, const Node& like) {
    Node node;
    node.kind = NodeKind::Scalar;
    node.text = std::move(text);
    node.pos = like.pos;
    return node;
}

Node string_node(std::string text, const Node& like) {
    Node node = plain_node(std::move(text), like);
    node.is_string = true;
    return node;
}

Node mapping_node(const Node& like) {
    Node node;
    node.kind = NodeKind::Mapping;
    node.pos = like.pos;
    return node;
}

Node list_node(const Node& like) {
    Node node = mapping_node(like);
    node.kind = NodeKind::Sequence;
    return node;
}

ScalarType scalar_type(const Node& scalar) {
    if (scalar.kind == NodeKind::Null) return ScalarType::Null;
    if (scalar.is_string) return ScalarType::String;
    constexpr std::array<std::string_view, 5> kNull = {"", "~", "null", "Null", "NULL"};
    constexpr std::array<std::string_view, 6> kBoolean = {"true",  "True",  "TRUE",
                                                          "false", "False", "FALSE"};
    if (is_one_of(scalar.text, kNull)) return ScalarType::Null;
    if (is_one_of(scalar.text, kBoolean)) return ScalarType::Boolean;
    if (whole_number(scalar.text)) return ScalarType::Integer;
    if (fraction(scalar.text) || is_infinite_or_nan(scalar.text)) return ScalarType::Float;
    return ScalarType::String;
}

std::string canonical_text(const Node& scalar) {
    switch (scalar_type(scalar)) {
        case ScalarType::Null: return {};
        case ScalarType::Boolean:
            return scalar.text.front() == 't' || scalar.text.front() == 'T' ? "true" : "false";
        case ScalarType::Integer: return *whole_number(scalar.text);
        case ScalarType::Float: {
            const std::optional<double> value = fraction(scalar.text);
            if (value) return fraction_text(*value);
            if (scalar.text.find_first_of("nN") == 1) return "NaN";
            return scalar.text.starts_with('-') ? "-Inf" : "+Inf";
        }
        case ScalarType::String: break;
    }
    return scalar.text;
}

std::string describe(const Node& node) {
    if (node.kind == NodeKind::Sequence) return "a list";
    if (node.kind == NodeKind::Mapping) return "a mapping";
    switch (scalar_type(node)) {
        case ScalarType::Null: return "nothing";
        case ScalarType::Boolean: return fmt::format("the boolean {}", node.text);
        case ScalarType::Integer:
        case ScalarType::Float: return fmt::format("the number {}", node.text);
        case ScalarType::String: break;
    }
    constexpr std::size_t kShown = 60;
    return fmt::format("the string '{}{}'", printable(node.text.substr(0, kShown)),
                       node.text.size() > kShown ? "…" : "");
}

std::string text_at(const Node& mapping, std::string_view key) {
    const Node* value = mapping.find(key);
    return value != nullptr && value->is_scalar() ? value->text : std::string();
}

SourcePos place_of_item(const Node& item) {
    const bool long_form = !item.key_pos && item.is_mapping() && !item.items.empty();
    return long_form && item.items.front().key_pos ? item.items.front().key_pos : item.place();
}

}  // namespace davit::compose
