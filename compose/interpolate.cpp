#include "compose/interpolate.h"

#include "base/strings.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::compose {
namespace {

constexpr std::size_t kMaxNesting = 50;
/// The kernel passes no longer one on to a program. @source execve(2), MAX_ARG_STRLEN
constexpr std::size_t kLongestValue = 256U << 10U;
constexpr std::size_t kMostRemarks = 200;
constexpr std::size_t kMostText = 16U << 20U;  ///< Of all values of a tree together.

bool begins_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool continues_name(char c) { return begins_name(c) || (c >= '0' && c <= '9'); }

std::size_t name_length(std::string_view text) {
    if (text.empty() || !begins_name(text.front())) return 0;
    std::size_t length = 1;
    while (length < text.size() && continues_name(text[length])) ++length;
    return length;
}

/// The offset of the brace that closes the one at `start`, every pair between counted.
std::size_t closing_brace(std::string_view text, std::size_t start) {
    std::size_t depth = 0;
    for (std::size_t i = start; i < text.size(); ++i) {
        if (text[i] == '{') ++depth;
        if (text[i] == '}' && --depth == 0) return i;
    }
    return std::string_view::npos;
}

class Interpolator {
public:
    Interpolator(const Lookup& lookup, std::vector<InterpolationRemark>& remarks)
        : lookup_(lookup), remarks_(remarks) {}

    /// `base` is where `text` begins in the whole; operands are parts of it.
    std::string run(std::string_view text, std::size_t base, std::size_t depth);

private:
    std::string braced(std::string_view inside, std::size_t offset, std::size_t depth);
    std::string plain(const std::string& name, std::size_t offset, std::size_t length);
    void refuse(std::size_t offset, std::size_t length, std::string message, std::string help) {
        remarks_.push_back(
            {Severity::Error, {}, offset, length, std::move(message), std::move(help)});
    }

    const Lookup& lookup_;
    std::vector<InterpolationRemark>& remarks_;
};

std::string Interpolator::run(std::string_view text, std::size_t base, std::size_t depth) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t dollar = std::min(text.find('$', i), text.size());
        out += text.substr(i, dollar - i);
        if (dollar == text.size()) break;
        if (out.size() > kLongestValue) {
            refuse(base + dollar, 1,
                   fmt::format("the value is longer than {} KiB with its variables replaced",
                               kLongestValue >> 10U),
                   "variables that hold each other's values many times over grow without end");
            return {};
        }
        const std::string_view rest = text.substr(dollar + 1);
        if (rest.starts_with('$')) {
            out += '$';
            i = dollar + 2;
        } else if (rest.starts_with('{')) {
            const std::size_t end = closing_brace(text, dollar + 1);
            if (end == std::string_view::npos) {
                refuse(base + dollar, text.size() - dollar, "'${' has no closing '}'",
                       "close it, or write '$$' where a dollar is meant");
                return out;
            }
            out += braced(text.substr(dollar + 2, end - dollar - 2), base + dollar, depth);
            i = end + 1;
        } else if (const std::size_t length = name_length(rest); length > 0) {
            out += plain(std::string(rest.substr(0, length)), base + dollar, length + 1);
            i = dollar + 1 + length;
        } else {
            out += '$';  // "$1", "$(" and the like stand for themselves
            i = dollar + 1;
        }
    }
    return out;
}

std::string Interpolator::plain(const std::string& name, std::size_t offset, std::size_t length) {
    if (std::optional<std::string> value = lookup_(name)) return *std::move(value);
    remarks_.push_back(
        {Severity::Warning, name, offset, length,
         fmt::format("the variable '{}' is not set, an empty string stands for it", name),
         fmt::format("set it in the environment or in .env, or give a default: "
                     "${{{}:-value}}",
                     name)});
    return {};
}

std::string Interpolator::braced(std::string_view inside, std::size_t offset, std::size_t depth) {
    const std::size_t whole = inside.size() + 3;  // with "${" and "}"
    const std::size_t length = name_length(inside);
    const std::string name(inside.substr(0, length));
    std::string_view rest = inside.substr(length);
    if (length > 0 && rest.empty()) return plain(name, offset, whole);

    const bool empty_counts_as_unset = rest.starts_with(':');
    if (empty_counts_as_unset) rest.remove_prefix(1);
    const char op = length > 0 && !rest.empty() ? rest.front() : '\0';
    if (op != '-' && op != '?' && op != '+') {
        refuse(offset, whole, fmt::format("'${{{}}}' is not a variable reference", inside),
               "write ${NAME}, ${NAME:-default}, ${NAME:?message} or ${NAME:+value}, or '$$' where "
               "a dollar is meant");
        return {};
    }
    if (depth >= kMaxNesting) {
        refuse(offset, whole,
               fmt::format("variable references are nested more than {} deep", kMaxNesting), {});
        return {};
    }
    const std::string_view operand = rest.substr(1);
    const std::size_t operand_offset = offset + 2 + (inside.size() - operand.size());
    const auto evaluated = [&] { return run(operand, operand_offset, depth + 1); };

    std::optional<std::string> value = lookup_(name);
    const bool given = value && !(empty_counts_as_unset && value->empty());
    if (op == '+') return given ? evaluated() : std::string();
    if (given) return *std::move(value);
    if (op == '-') return evaluated();
    const std::string message = evaluated();
    remarks_.push_back(
        {Severity::Error, name, offset, whole,
         fmt::format("the required variable '{}' is {}{}{}", name, value ? "empty" : "not set",
                     message.empty() ? "" : ": ", message),
         "set it in the environment or in .env"});
    return {};
}

void collect(std::string_view text, std::size_t depth, VariableUses& uses);

/// Notes "NAME:-default", which stands in braces.
void collect_braced(std::string_view inside, std::size_t depth, VariableUses& uses) {
    const std::size_t length = name_length(inside);
    std::string_view rest = inside.substr(length);
    if (length == 0) return;
    VariableUse& use = uses[std::string(inside.substr(0, length))];
    if (rest.starts_with(':')) rest.remove_prefix(1);
    if (rest.empty() || depth >= kMaxNesting) return;
    const std::string operand(rest.substr(1));
    if (rest.front() == '?') use.required = true;
    if (rest.front() == '-' && use.default_value.empty()) use.default_value = operand;
    if (rest.front() == '+' && use.alternate.empty()) use.alternate = operand;
    collect(operand, depth + 1, uses);
}

void collect(std::string_view text, std::size_t depth, VariableUses& uses) {
    for (std::size_t at = text.find('$'); at != std::string_view::npos; at = text.find('$', at)) {
        const std::string_view rest = text.substr(at + 1);
        if (rest.starts_with('{')) {
            const std::size_t end = closing_brace(text, at + 1);
            if (end == std::string_view::npos) return;
            collect_braced(text.substr(at + 2, end - at - 2), depth, uses);
            at = end + 1;
        } else {
            const std::size_t length = name_length(rest);
            if (length > 0) uses[std::string(rest.substr(0, length))];
            at += length + (rest.starts_with('$') ? 2 : 1);
        }
    }
}

/// The place of `offset` in a scalar, where its text stands in the file as it is; else the
/// scalar's.
SourcePos place_of(const Node& scalar, const InterpolationRemark& remark) {
    SourcePos pos = scalar.pos;
    if (!pos) return pos;
    std::string_view rest = pos.file->text;
    for (std::uint32_t line = 1; line < pos.line; ++line)
        rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
    rest = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min<std::size_t>(pos.column - 1, rest.size()));
    std::size_t shift = 0;
    if (rest.starts_with('"') || rest.starts_with('\'')) shift = 1;
    if (rest.substr(shift).starts_with(scalar.text)) {
        pos.column += static_cast<std::uint32_t>(shift + remark.offset);
        pos.length = static_cast<std::uint32_t>(remark.length);
    }
    return pos;
}

}  // namespace

Lookup lookup_in(const Variables& variables) {
    return [&variables](const std::string& name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        if (found == variables.end()) return std::nullopt;
        return found->second;
    };
}

std::string interpolate(std::string_view text, const Lookup& lookup,
                        std::vector<InterpolationRemark>& remarks) {
    return Interpolator(lookup, remarks).run(text, 0, 0);
}

void collect_variables(std::string_view text, VariableUses& uses) { collect(text, 0, uses); }

void TreeInterpolator::run(Node& tree) {
    for (Node& item : tree.items) run(item);
    if (tree.kind != NodeKind::Scalar || tree.text.find('$') == std::string::npos) return;
    if (text_bytes_ > kMostText) {
        tree.kind = NodeKind::Null;
        tree.refused = true;
        return;
    }
    std::vector<InterpolationRemark> remarks;
    std::string text = interpolate(tree.text, lookup_, remarks);
    bool failed = false;
    for (const InterpolationRemark& each : remarks) {
        remark(tree, each);
        failed = failed || each.severity == Severity::Error;
    }
    tree.text = std::move(text);
    tree.is_string = true;
    text_bytes_ += tree.text.size();
    if (text_bytes_ > kMostText)
        diagnostics_.error(fmt::format("the values are longer than {} MiB with their variables "
                                       "replaced",
                                       kMostText >> 20U),
                           tree.pos, "use shorter variables, or fewer of them");
    if (!failed) return;
    tree.kind = NodeKind::Null;  // what half a value would lead to is no mistake of its own
    tree.refused = true;
}

void TreeInterpolator::remark(const Node& scalar, const InterpolationRemark& remark) {
    // Finding the place takes time, and nobody reads the thousandth remark.
    if (said_.size() >= kMostRemarks ||
        (remark.severity == Severity::Warning && said_.contains(remark.variable)))
        return;
    const SourcePos where = place_of(scalar, remark);
    // A variable that is missing in ten places is one thing to set.
    const bool by_name = remark.severity == Severity::Warning;
    const std::string once =
        by_name ? remark.variable : fmt::format("{} {}", to_string(where), remark.message);
    if (!said_.insert(once).second) return;
    diagnostics_.add({remark.severity, remark.message, where, remark.help, {}});
}

}  // namespace davit::compose
