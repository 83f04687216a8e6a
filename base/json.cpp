#include "base/json.h"

namespace davit {
namespace {

constexpr int kMaxDepth = 64;

/// Byte `offset` of `text` as "line 3, column 7".
std::string place(std::string_view text, std::size_t offset) {
    std::size_t line = 1;
    std::size_t column = 1;
    for (const char c : text.substr(0, offset > 0 ? offset - 1 : 0)) {
        column = c == '\n' ? 1 : column + 1;
        line += c == '\n' ? 1 : 0;
    }
    return fmt::format("line {}, column {}", line, column);
}

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view what) {
    bool too_deep = false;
    const auto limit = [&](int depth, Json::parse_event_t, Json&) {
        too_deep = too_deep || depth > kMaxDepth;
        return !too_deep;
    };
    try {
        Json json = Json::parse(text, limit);
        if (too_deep)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("{} is nested deeper than {} levels", what, kMaxDepth));
        return json;
    } catch (const nlohmann::json::parse_error& problem) {
        return Error(ErrorKind::InvalidInput,
                     fmt::format("{} is not valid JSON at {}", what, place(text, problem.byte)));
    } catch (const nlohmann::json::exception& problem) {  // a number that no double can hold
        return Error(ErrorKind::InvalidInput,
                     fmt::format("{} can't be read: {}", what, problem.what()));
    }
}

Result<Json> read_json(const std::string& path) {
    const std::string text = TRY(read_file(path));
    return parse_json(text, fmt::format("'{}'", path));
}

Result<Json> read_record(const std::string& path, int newest) {
    Json json = TRY(read_json(path));
    if (!json.is_object())
        return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not a record", path));
    const long long version = integer_or(json, "version", 0);
    if (version > newest)
        return Error(ErrorKind::Unsupported,
                     fmt::format("'{}' was written by a newer davit (format {}, this one reads {})",
                                 path, version, newest))
            .help("use the newer davit");
    return json;
}

Result<void> write_json(const std::string& path, const Json& json, Sync sync, mode_t mode) {
    // Names from images and files need not be UTF-8: show what can be shown rather than throw.
    const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    return write_atomically(path, text, mode, sync);
}

std::string string_or(const Json& json, const char* key, std::string_view otherwise) {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_string()) return std::string(otherwise);
    return found->get<std::string>();
}

long long integer_or(const Json& json, const char* key, long long otherwise) {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_number()) return otherwise;
    return found->get<long long>();
}

}  // namespace davit
