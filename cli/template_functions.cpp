#include "cli/template_functions.h"

#include "base/strings.h"
#include "cli/template_compare.h"
#include "cli/template_print.h"

#include <cstdint>
#include <fmt/format.h>
#include <map>

// Each function takes a call whose number of arguments is right and checks their types; the table
// at the end has their names.
namespace davit::cli {
namespace {

using FunctionAnswer = Result<TemplateValue>;

constexpr std::size_t kLongestMade = 16U << 20U;

/// About how much memory a value takes, and room when it is printed.
std::size_t weight(const Json& value) {
    std::size_t bytes = 2 * sizeof(Json);
    if (value.is_string()) bytes += value.get_ref<const std::string&>().size();
    if (value.is_structured())
        for (const auto& [key, item] : value.items()) bytes += key.size() + weight(item);
    return bytes;
}

Error misused(const TemplateCall& call, const std::string& why, const std::string& help = {}) {
    return Error(ErrorKind::InvalidInput, fmt::format("{}: {}", call.name, why)).help(help);
}

Error wrong_type(const TemplateCall& call, std::size_t i, const char* wanted) {
    return misused(call, fmt::format("'{}' is a {}, not a {}", call.texts[i],
                                     go_type(call.arguments[i]), wanted));
}

/// Nothing counts as an empty text: docker's fields that aren't set are empty texts.
Result<std::string> string_of(const TemplateCall& call, std::size_t i) {
    const TemplateValue value = call.arguments[i];
    if (value == nullptr || value->is_null()) return std::string();
    if (!value->is_string()) return wrong_type(call, i, "string");
    return value->get<std::string>();
}

Result<std::int64_t> integer_of(const TemplateCall& call, std::size_t i) {
    const TemplateValue value = call.arguments[i];
    if (value == nullptr || !value->is_number_integer()) return wrong_type(call, i, "whole number");
    return value->get<std::int64_t>();
}

FunctionAnswer kept_value(const TemplateCall& call, Json value) {
    return call.store->keep(std::move(value));
}

FunctionAnswer make_json(const TemplateCall& call) {
    const TemplateValue value = call.arguments[0];
    if (call.of_header) return TRY(string_of(call, 0)).empty() ? nullptr : value;
    if (value == nullptr) return kept_value(call, "null");
    return kept_value(call, value->dump(-1, ' ', false, Json::error_handler_t::replace));
}

FunctionAnswer count_items(const TemplateCall& call) {
    const TemplateValue value = call.arguments[0];
    if (value == nullptr) return misused(call, fmt::format("there is no '{}'", call.texts[0]));
    if (value->is_string()) return kept_value(call, value->get_ref<const std::string&>().size());
    if (value->is_null() || value->is_structured()) return kept_value(call, value->size());
    return wrong_type(call, 0, "string, list or map");
}

/// The value at a key that isn't there: an empty text in maps of texts, such as labels.
TemplateValue absent_entry(const TemplateCall& call, TemplateValue map) {
    const bool texts = map == nullptr || map->is_null() || map->empty() || map->front().is_string();
    return texts ? call.store->keep("") : nullptr;
}

FunctionAnswer element_of(const TemplateCall& call, TemplateValue value, std::size_t i) {
    const TemplateValue key = call.arguments[i];
    const bool is_nothing = value == nullptr || value->is_null();
    if (key != nullptr && key->is_string() && (is_nothing || value->is_object())) {
        if (is_nothing) return absent_entry(call, value);
        const auto found = value->find(key->get_ref<const std::string&>());
        return found != value->end() ? &*found : absent_entry(call, value);
    }
    const bool is_list = !is_nothing && (value->is_array() || value->is_string());
    const bool fits = key != nullptr && key->is_number_integer() && is_list;
    const std::size_t size = !fits                ? 0
                             : value->is_string() ? value->get_ref<const std::string&>().size()
                                                  : value->size();
    const auto at = fits ? key->get<std::int64_t>() : -1;
    if (at < 0 || static_cast<std::uint64_t>(at) >= size)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' has no element {}", call.texts[0], call.texts[i]))
            .help("ask first: {{if …}}…{{end}}, or {{len …}}");
    const auto place = static_cast<std::size_t>(at);
    if (value->is_array()) return &(*value)[place];
    return kept_value(call,
                      static_cast<unsigned char>(value->get_ref<const std::string&>()[place]));
}

FunctionAnswer index_into(const TemplateCall& call) {
    TemplateValue value = call.arguments[0];
    for (std::size_t i = 1; i < call.arguments.size(); ++i) value = TRY(element_of(call, value, i));
    return value;
}

FunctionAnswer cut_out(const TemplateCall& call) {
    const TemplateValue value = call.arguments[0];
    if (value == nullptr || (!value->is_string() && !value->is_array()))
        return wrong_type(call, 0, "string or list");
    const bool is_text = value->is_string();
    const auto size = static_cast<std::int64_t>(
        is_text ? value->get_ref<const std::string&>().size() : value->size());
    std::int64_t ends[] = {0, size, size};
    for (std::size_t i = 1; i < call.arguments.size(); ++i) ends[i - 1] = TRY(integer_of(call, i));
    if (ends[0] < 0 || ends[0] > ends[1] || ends[1] > ends[2] || ends[2] > size ||
        (is_text && call.arguments.size() > 3))
        return misused(call, fmt::format("'{}' has only {} elements", call.texts[0], size));
    if (is_text)
        return kept_value(call, value->get_ref<const std::string&>().substr(
                                    static_cast<std::size_t>(ends[0]),
                                    static_cast<std::size_t>(ends[1] - ends[0])));
    Json part = Json::array();
    for (std::int64_t i = ends[0]; i < ends[1]; ++i)
        part.push_back((*value)[static_cast<std::size_t>(i)]);
    return kept_value(call, std::move(part));
}

FunctionAnswer join_items(const TemplateCall& call) {
    const TemplateValue list = call.arguments[0];
    if (call.of_header || list == nullptr || list->is_null())
        return call.of_header ? list : kept_value(call, "");
    if (!list->is_array()) return wrong_type(call, 0, "list");
    const std::string separator = TRY(string_of(call, 1));
    std::string text;
    for (const Json& item : *list) {
        if (!item.is_string())
            return misused(call, fmt::format("'{}' has items that are no texts", call.texts[0]),
                           "walk over it with {{range}}");
        if (&item != &list->front()) text += separator;
        text += item.get_ref<const std::string&>();
        if (text.size() > kLongestMade) return misused(call, "the text is too long");
    }
    return kept_value(call, std::move(text));
}

FunctionAnswer take_apart(const TemplateCall& call) {
    const std::string text = TRY(string_of(call, 0));
    if (call.of_header) return call.arguments[0];
    const std::string separator = TRY(string_of(call, 1));
    const auto character_end = [&](std::size_t at) {
        do ++at;
        while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80);
        return at;
    };
    Json parts = Json::array();
    // Without a separator it falls into its characters, as with Go.
    for (std::size_t at = 0; separator.empty() && at < text.size(); at = character_end(at))
        parts.push_back(text.substr(at, character_end(at) - at));
    if (separator.empty()) return kept_value(call, std::move(parts));
    std::size_t begin = 0;
    for (std::size_t end = text.find(separator); end != std::string::npos;
         end = text.find(separator, begin)) {
        parts.push_back(text.substr(begin, end - begin));
        begin = end + separator.size();
    }
    parts.push_back(text.substr(begin));
    return kept_value(call, std::move(parts));
}

char upper_letter(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

/// ASCII letters only: what templates are about are names and states.
FunctionAnswer change_case(const TemplateCall& call) {
    std::string text = TRY(string_of(call, 0));
    if (call.of_header) return call.arguments[0];
    if (call.name == "lower") return kept_value(call, lowered(text));
    bool begins = true;
    for (char& c : text) {
        if (begins || call.name == "upper") c = upper_letter(c);
        const char small = c >= 'A' && c <= 'Z' ? 'a' : c;
        begins = !((small >= 'a' && small <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
                   c == '\'' || static_cast<unsigned char>(c) >= 0x80);
    }
    return kept_value(call, std::move(text));
}

FunctionAnswer cut_short(const TemplateCall& call) {
    const std::string text = TRY(string_of(call, 0));
    if (call.of_header) return call.arguments[0];
    const std::int64_t size = TRY(integer_of(call, 1));
    if (size < 0) return misused(call, fmt::format("{} is less than nothing", size));
    return kept_value(call, text.substr(0, static_cast<std::size_t>(size)));
}

FunctionAnswer pad_blanks(const TemplateCall& call) {
    const std::string text = TRY(string_of(call, 0));
    const std::int64_t before = TRY(integer_of(call, 1));
    const std::int64_t after = TRY(integer_of(call, 2));
    constexpr std::int64_t kMost = 10'000;
    if (before < 0 || after < 0 || before > kMost || after > kMost)
        return misused(call, fmt::format("blanks may be 0 to {}", kMost));
    if (text.empty()) return kept_value(call, "");
    return kept_value(call, std::string(static_cast<std::size_t>(before), ' ') + text +
                                std::string(static_cast<std::size_t>(after), ' '));
}

/// Refuses what would print more than may be, before it is printed.
Result<void> check_size(const TemplateCall& call) {
    std::size_t bytes = 0;
    for (const TemplateValue value : call.arguments) {
        if (value != nullptr) bytes += weight(*value);
        if (bytes > kLongestMade) return misused(call, "the text is too long");
    }
    return {};
}

FunctionAnswer print_format(const TemplateCall& call) {
    const std::string format = TRY(string_of(call, 0));
    TRY(check_size(call));
    return kept_value(call, go_printf(format, {call.arguments.begin() + 1, call.arguments.end()}));
}

FunctionAnswer print_values(const TemplateCall& call) {
    TRY(check_size(call));
    return kept_value(call,
                      call.name == "print" ? go_print(call.arguments) : go_println(call.arguments));
}

FunctionAnswer negated(const TemplateCall& call) {
    return kept_value(call, !is_true(call.arguments[0]));
}

FunctionAnswer compare_all(const TemplateCall& call) {
    return kept_value(call, TRY(compare_values(call.name, call.arguments)));
}

FunctionAnswer refuse_function(const TemplateCall& call) {
    return misused(call, "this function is not supported in templates",
                   call.name == "call" ? "" : "davit's output is text: leave it out");
}

struct TemplateFunction {
    FunctionAnswer (*run)(const TemplateCall& call) = nullptr;
    std::size_t fewest = 0;
    std::size_t most = 0;
};

constexpr std::size_t kAnyNumber = SIZE_MAX;

const std::map<std::string, TemplateFunction, std::less<>>& functions() {
    static const std::map<std::string, TemplateFunction, std::less<>> kFunctions = {
        {"and", {refuse_function, 1, kAnyNumber}},
        {"or", {refuse_function, 1, kAnyNumber}},
        {"not", {negated, 1, 1}},
        {"eq", {compare_all, 2, kAnyNumber}},
        {"ne", {compare_all, 2, 2}},
        {"lt", {compare_all, 2, 2}},
        {"le", {compare_all, 2, 2}},
        {"gt", {compare_all, 2, 2}},
        {"ge", {compare_all, 2, 2}},
        {"len", {count_items, 1, 1}},
        {"index", {index_into, 1, kAnyNumber}},
        {"slice", {cut_out, 1, 4}},
        {"print", {print_values, 0, kAnyNumber}},
        {"println", {print_values, 0, kAnyNumber}},
        {"printf", {print_format, 1, kAnyNumber}},
        {"json", {make_json, 1, 1}},
        {"join", {join_items, 2, 2}},
        {"split", {take_apart, 2, 2}},
        {"lower", {change_case, 1, 1}},
        {"upper", {change_case, 1, 1}},
        {"title", {change_case, 1, 1}},
        {"truncate", {cut_short, 2, 2}},
        {"pad", {pad_blanks, 3, 3}},
        {"html", {refuse_function, 0, kAnyNumber}},
        {"js", {refuse_function, 0, kAnyNumber}},
        {"urlquery", {refuse_function, 0, kAnyNumber}},
        {"call", {refuse_function, 0, kAnyNumber}}};
    return kFunctions;
}

}  // namespace

TemplateValue TemplateStore::keep(Json value) {
    values_.push_back(std::move(value));
    const Json& made = values_.back();
    bytes_ += weight(made);
    return &made;
}

bool is_template_function(std::string_view name) {
    return functions().find(name) != functions().end();
}

const std::vector<std::string>& template_function_names() {
    static const std::vector<std::string> kNames = [] {
        std::vector<std::string> names;
        for (const auto& [name, function] : functions()) names.push_back(name);
        return names;
    }();
    return kNames;
}

Result<TemplateValue> call_template_function(const TemplateCall& call) {
    const auto found = functions().find(call.name);
    if (found == functions().end()) return misused(call, "there is no such function");
    const TemplateFunction& function = found->second;
    const std::size_t given = call.arguments.size();
    if (given < function.fewest || given > function.most)
        return misused(
            call, fmt::format("{} arguments are given, {} {}", given,
                              given < function.fewest ? "it takes at least" : "it takes at most",
                              given < function.fewest ? function.fewest : function.most));
    return function.run(call);
}

bool is_true(TemplateValue value) {
    if (value == nullptr || value->is_null()) return false;
    if (value->is_boolean()) return value->get<bool>();
    if (value->is_number()) return value->get<double>() != 0;
    if (value->is_string()) return !value->get_ref<const std::string&>().empty();
    return !value->empty();
}

}  // namespace davit::cli
