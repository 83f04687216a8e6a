#include "cli/template.h"

#include "base/strings.h"

#include <map>

namespace davit::cli {
namespace {

Error refused(const std::string& why, const std::string& help = {}) {
    return Error(ErrorKind::InvalidInput, why).doing("read the template").help(help);
}

/// The words of an action: `index .A "b c"` has three. Quotes stay on.
Result<std::vector<std::string>> words_of(std::string_view action) {
    std::vector<std::string> words;
    for (action = trim(action); !action.empty(); action = trim(action)) {
        std::size_t size = action.find_first_of(" \t");
        if (action.front() == '"' || action.front() == '`') {
            size = action.find(action.front(), 1);
            if (size == std::string_view::npos)
                return refused(fmt::format("a quote is not closed in '{}'", action));
            ++size;
        }
        size = std::min(size, action.size());
        words.emplace_back(action.substr(0, size));
        action.remove_prefix(size);
    }
    return words;
}

std::string go_text(const Json& value) {
    if (value.is_null()) return "<no value>";
    if (value.is_string()) return value.get<std::string>();
    if (value.is_array()) {
        std::string text;
        for (const Json& item : value) text += (text.empty() ? "" : " ") + go_text(item);
        return "[" + text + "]";
    }
    if (value.is_object()) {
        std::map<std::string, std::string> sorted;
        for (const auto& [key, item] : value.items()) sorted[key] = go_text(item);
        std::string text;
        for (const auto& [key, item] : sorted)
            text += fmt::format("{}{}:{}", text.empty() ? "" : " ", key, item);
        return "map[" + text + "]";
    }
    return value.dump();
}

/// The field `name` of `value`. A field of nothing is nothing, as in Go's maps of interfaces.
Result<Json> field(const Json& value, const std::string& name, const std::string& path) {
    if (value.is_null()) return Json(nullptr);
    if (!value.is_object())
        return refused(fmt::format("'{}' has no fields, so there is no '{}'", path, name));
    const auto found = value.find(name);
    if (found != value.end()) return *found;
    std::vector<std::string> names;
    for (const auto& [key, item] : value.items()) names.push_back(key);
    const auto near = nearest(name, names);
    return refused(fmt::format("'{}' has no field '{}'", path.empty() ? "." : path, name),
                   near ? fmt::format("the nearest field is '{}'", *near) : "");
}

/// The value of an operand: ".", ".A.B".
Result<Json> operand(const std::string& word, const Json& dot) {
    if (!word.starts_with('.'))
        return refused(fmt::format("'{}' is not supported here", word),
                       "use fields such as {{.State.Pid}}, json, index and range");
    if (word == ".") return dot;
    Json value = dot;
    std::string path;
    for (const std::string& name : split(std::string_view(word).substr(1), '.')) {
        value = TRY(field(value, name, path));
        path += "." + name;
    }
    return value;
}

/// `index .X "key" 0 …`
Result<Json> index(const std::vector<std::string>& words, const Json& dot) {
    if (words.size() < 3) return refused("index needs a value and a key");
    Json value = TRY(operand(words[1], dot));
    for (std::size_t i = 2; i < words.size(); ++i) {
        const std::string& key = words[i];
        const bool quoted = key.starts_with('"') || key.starts_with('`');
        const std::optional<long long> number = parse_integer(key);
        if (quoted) {
            const std::string name = key.substr(1, key.size() - 2);
            value = value.is_object() && value.contains(name) ? Json(value[name]) : Json("");
        } else if (number && value.is_array() && *number >= 0 &&
                   static_cast<std::size_t>(*number) < value.size()) {
            value = Json(value[static_cast<std::size_t>(*number)]);
        } else {
            return refused(fmt::format("'{}' has no element {}", words[1], key));
        }
    }
    return value;
}

class Filler {
public:
    explicit Filler(std::string_view text) : rest_(text) {}

    /// Fills in up to the end of the text or, inside a range, up to its {{end}}.
    Result<std::string> fill(const Json& dot, bool inside_range) {
        std::string result;
        for (;;) {
            const std::size_t open = rest_.find("{{");
            result += rest_.substr(0, open);
            if (open == std::string_view::npos) {
                rest_ = {};
                if (inside_range) return refused("a range has no {{end}}");
                return result;
            }
            rest_.remove_prefix(open + 2);
            const std::size_t close = rest_.find("}}");
            if (close == std::string_view::npos) return refused("a '{{' has no '}}'");
            const std::vector<std::string> words = TRY(words_of(rest_.substr(0, close)));
            rest_.remove_prefix(close + 2);
            if (words.empty()) return refused("an action is empty");
            if (words[0] == "end" && words.size() == 1) {
                if (!inside_range) return refused("there is an {{end}} without a range");
                return result;
            }
            result += TRY(action(words, dot));
        }
    }

private:
    Result<std::string> action(const std::vector<std::string>& words, const Json& dot) {
        if (words[0] == "range") return range(words, dot);
        if (words[0] == "index") {
            const Json value = TRY(index(words, dot));
            return go_text(value);
        }
        if (words[0] == "json" && words.size() == 2) {
            const Json value = TRY(operand(words[1], dot));
            return value.dump(-1, ' ', false, Json::error_handler_t::replace);
        }
        if (words.size() != 1)
            return refused(fmt::format("'{}' is not supported here", words[0]),
                           "use fields such as {{.State.Pid}}, json, index and range");
        const Json value = TRY(operand(words[0], dot));
        return go_text(value);
    }

    Result<std::string> range(const std::vector<std::string>& words, const Json& dot) {
        if (words.size() != 2) return refused("range takes one value", "write {{range .Mounts}}");
        const Json items = TRY(operand(words[1], dot));
        const std::string_view body = rest_;
        std::string result;
        std::map<std::string, Json> sorted;  // Go walks maps in the order of their keys
        if (items.is_object())
            for (const auto& [key, item] : items.items()) sorted[key] = item;
        if (items.is_array())
            for (const Json& item : items) sorted[fmt::format("{:09}", sorted.size())] = item;
        for (const auto& [key, item] : sorted) {
            rest_ = body;
            result += TRY(fill(item, true));
        }
        if (sorted.empty()) TRY(skip());
        return result;
    }

    /// Passes over the body of a range that has nothing to walk over.
    Result<void> skip() {
        for (int depth = 1; depth > 0;) {
            const std::size_t open = rest_.find("{{");
            const std::size_t close = rest_.find("}}");
            if (open == std::string_view::npos || close == std::string_view::npos || close < open)
                return refused("a range has no {{end}}");
            const std::string_view word = trim(rest_.substr(open + 2, close - open - 2));
            if (word == "end") --depth;
            if (word.starts_with("range ")) ++depth;
            rest_.remove_prefix(close + 2);
        }
        return {};
    }

    std::string_view rest_;
};

}  // namespace

Result<std::string> fill_template(const std::string& text, const Json& value) {
    return Filler(text).fill(value, false);
}

}  // namespace davit::cli
