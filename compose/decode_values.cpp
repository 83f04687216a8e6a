#include "compose/decode_values.h"

#include "base/bytes.h"
#include "base/duration.h"
#include "base/file.h"
#include "base/strings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

namespace davit::compose {
namespace {

void refuse_type(DecodeContext& context, const Field& field, std::string_view expected,
                 std::string help = {}) {
    context.error(
        fmt::format("'{}' must be {}, found {}", field.path, expected, describe(field.node)),
        field.node.place(), std::move(help));
}

bool is_scalar(const Node& node) {
    return node.kind == NodeKind::Scalar && scalar_type(node) != ScalarType::Null;
}

/// Says what `error` says, at the place of `field`.
void refuse_value(DecodeContext& context, const Field& field, const Error& error) {
    context.error(fmt::format("'{}': {}", field.path, error.to_string()), field.node.place(),
                  error.help());
}

}  // namespace

std::optional<std::string> decode_text(DecodeContext& context, const Field& field) {
    if (field.node.kind == NodeKind::Scalar && scalar_type(field.node) == ScalarType::String)
        return field.node.text;
    std::string help;
    if (is_scalar(field.node)) help = fmt::format("write it in quotes: \"{}\"", field.node.text);
    refuse_type(context, field, "a string", std::move(help));
    return std::nullopt;
}

std::optional<std::string> decode_string(DecodeContext& context, const Field& field) {
    std::optional<std::string> text = decode_text(context, field);
    if (text && text->empty()) {
        context.error(fmt::format("'{}' is empty", field.path), field.node.place(),
                      "give it a value, or take the key out");
        return std::nullopt;
    }
    return text;
}

std::optional<bool> decode_boolean(DecodeContext& context, const Field& field) {
    if (is_scalar(field.node)) {
        std::string word = field.node.text;
        std::transform(word.begin(), word.end(), word.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        constexpr std::array<std::string_view, 4> kYes = {"true", "yes", "y", "on"};
        constexpr std::array<std::string_view, 4> kNo = {"false", "no", "n", "off"};
        if (std::find(kYes.begin(), kYes.end(), word) != kYes.end()) return true;
        if (std::find(kNo.begin(), kNo.end(), word) != kNo.end()) return false;
    }
    refuse_type(context, field, "true or false");
    return std::nullopt;
}

std::optional<std::int64_t> decode_integer(DecodeContext& context, const Field& field,
                                           std::int64_t least, std::int64_t most) {
    if (is_scalar(field.node)) {
        if (const auto value = parse_integer(canonical_text(field.node))) {
            if (*value >= least && *value <= most) return *value;
            context.error(
                fmt::format("'{}' must be {} to {}, found {}", field.path, least, most, *value),
                field.node.place());
            return std::nullopt;
        }
    }
    refuse_type(context, field, "a whole number");
    return std::nullopt;
}

std::optional<double> decode_number(DecodeContext& context, const Field& field) {
    if (is_scalar(field.node)) {
        const std::string text = canonical_text(field.node);
        double value = 0;
        const auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (code == std::errc() && stop == text.data() + text.size() && std::isfinite(value)) {
            if (value >= 0) return value;
            context.error(fmt::format("'{}' must not be negative, found {}", field.path, text),
                          field.node.place());
            return std::nullopt;
        }
    }
    refuse_type(context, field, "a number");
    return std::nullopt;
}

std::optional<std::int64_t> decode_bytes(DecodeContext& context, const Field& field) {
    if (!is_scalar(field.node)) {
        refuse_type(context, field, "a size", "write a number with a unit, such as 512m or 1.5g");
        return std::nullopt;
    }
    Result<std::int64_t> bytes = parse_bytes(canonical_text(field.node));
    if (bytes) return *bytes;
    refuse_value(context, field, bytes.error());
    return std::nullopt;
}

std::optional<std::chrono::microseconds> decode_duration(DecodeContext& context,
                                                         const Field& field) {
    if (!is_scalar(field.node) || scalar_type(field.node) != ScalarType::String) {
        refuse_type(context, field, "a duration",
                    "write numbers with units, such as 1m30s or 500ms");
        return std::nullopt;
    }
    Result<std::chrono::microseconds> duration = parse_duration(field.node.text);
    if (duration) return *duration;
    refuse_value(context, field, duration.error());
    return std::nullopt;
}

std::vector<std::string> decode_string_list(DecodeContext& context, const Field& field) {
    std::vector<std::string> list;
    if (!expect_list(context, field)) return list;
    for (std::size_t i = 0; i < field.node.items.size(); ++i) {
        const Field item = field.item(i);
        remember_place(context, item);
        if (std::optional<std::string> text = decode_text(context, item))
            list.push_back(*std::move(text));
    }
    return list;
}

std::vector<KeyValue> decode_key_values(DecodeContext& context, const Field& field) {
    std::vector<KeyValue> values;
    if (field.node.kind == NodeKind::Mapping) {
        for (const Node& node : field.node.items) {
            const Field entry = field.entry(node);
            remember_place(context, entry);
            if (node.kind == NodeKind::Null)
                values.push_back({node.key, std::nullopt});
            else if (node.kind == NodeKind::Scalar)
                values.push_back({node.key, canonical_text(node)});
            else
                refuse_type(context, entry, "a single value");
        }
    } else if (field.node.kind == NodeKind::Sequence) {
        for (std::size_t i = 0; i < field.node.items.size(); ++i) {
            const Field item = field.item(i);
            remember_place(context, item);
            const std::optional<std::string> text = decode_string(context, item);
            if (!text) continue;
            const std::size_t equals = text->find('=');
            KeyValue value{text->substr(0, equals), std::nullopt};
            if (equals != std::string::npos) value.value = text->substr(equals + 1);
            if (value.name.empty())
                context.error(fmt::format("'{}' has no name before its '='", item.path),
                              item.node.place(), "write NAME=value");
            else if (value.name.back() == ' ' || value.name.back() == '\t')
                context.error(fmt::format("the name in '{}' ends with a blank", item.path),
                              item.node.place(), "write NAME=value");
            else
                values.push_back(std::move(value));
        }
    } else {
        refuse_type(context, field, "a mapping or a list");
    }
    return values;
}

std::map<std::string, std::string> decode_labels(DecodeContext& context, const Field& field) {
    std::map<std::string, std::string> labels;
    for (KeyValue& label : decode_key_values(context, field))
        labels[std::move(label.name)] = std::move(label.value).value_or("");
    return labels;
}

std::optional<std::string> resolve_host_path(DecodeContext& context, const std::string& path,
                                             const SourcePos& where) {
    if (!path.starts_with('~')) return clean_path(join_path(context.project_directory, path));
    if (path.size() > 1 && path[1] != '/') {
        context.error(fmt::format("'{}' names the home folder of another user", path), where,
                      "write the folder out; only '~' and '~/…' are looked up");
        return std::nullopt;
    }
    const auto home = context.environment.find("HOME");
    if (home == context.environment.end() || !home->second.starts_with('/')) {
        context.error(fmt::format("'{}' needs a home folder, and HOME is not set", path), where,
                      "set HOME, or write the folder out");
        return std::nullopt;
    }
    return clean_path(home->second + path.substr(1));
}

bool is_resource_name(const std::string& name) {
    constexpr std::string_view kFirst =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    constexpr std::string_view kRest =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    return !name.empty() && kFirst.find(name.front()) != std::string_view::npos &&
           name.find_first_not_of(kRest) == std::string::npos && name.size() <= 200;
}

std::optional<std::string> decode_resource_name(DecodeContext& context, const Field& field) {
    std::optional<std::string> name = decode_text(context, field);
    if (name && name->empty()) return std::nullopt;  // as if it were not there
    if (!name || is_resource_name(*name)) return name;
    context.error(fmt::format("the name '{}' can't be used", printable(*name)), field.node.place(),
                  "use letters, digits, '_', '.' and '-' only, a letter or digit first");
    return std::nullopt;
}

}  // namespace davit::compose
