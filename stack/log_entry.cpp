#include "stack/log_entry.h"

#include "base/duration.h"
#include "base/json.h"

#include <charconv>

namespace davit::stack {
namespace {

void append_utf8(std::string& text, std::uint32_t code) {
    const auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xc0 | code >> 6);
        put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        put(0xe0 | code >> 12);
        put(0x80 | (code >> 6 & 0x3f));
        put(0x80 | (code & 0x3f));
    } else {
        put(0xf0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3f));
        put(0x80 | (code >> 6 & 0x3f));
        put(0x80 | (code & 0x3f));
    }
}

/// Reads tokens off the front of a line. After a mistake every answer is "no".
class Scanner {
public:
    explicit Scanner(std::string_view line) : rest_(line) {}

    bool take(char wanted) {
        const std::size_t start = rest_.find_first_not_of(" \t\r");
        if (start == std::string_view::npos || rest_[start] != wanted) return false;
        rest_.remove_prefix(start + 1);
        return true;
    }

    bool string(std::string& text) {
        text.clear();
        if (!take('"')) return false;
        for (;;) {
            const std::size_t special = rest_.find_first_of("\"\\");
            if (special == std::string_view::npos) return false;
            text.append(rest_.substr(0, special));
            const char found = rest_[special];
            rest_.remove_prefix(special + 1);
            if (found == '"') return true;
            if (!escape(text)) return false;
        }
    }

private:
    bool escape(std::string& text) {
        if (rest_.empty()) return false;
        const char kind = rest_.front();
        rest_.remove_prefix(1);
        switch (kind) {
            case 'b': text += '\b'; return true;
            case 'f': text += '\f'; return true;
            case 'n': text += '\n'; return true;
            case 'r': text += '\r'; return true;
            case 't': text += '\t'; return true;
            case '"':
            case '\\':
            case '/': text += kind; return true;
            case 'u': return unicode(text);
            default: return false;
        }
    }

    bool unicode(std::string& text) {
        std::uint32_t code = 0;
        if (!four_digits(code)) return false;
        constexpr std::uint32_t kHighSurrogate = 0xd800;
        constexpr std::uint32_t kLowSurrogate = 0xdc00;
        constexpr std::uint32_t kReplacement = 0xfffd;
        if (code >= kHighSurrogate && code < kLowSurrogate && rest_.starts_with("\\u")) {
            const std::string_view before = rest_;
            rest_.remove_prefix(2);
            std::uint32_t low = 0;
            if (!four_digits(low)) return false;
            if (low >= kLowSurrogate && low < 0xe000)
                code = 0x10000 + ((code - kHighSurrogate) << 10) + (low - kLowSurrogate);
            else
                rest_ = before;
        }
        append_utf8(text, code >= kHighSurrogate && code < 0xe000 ? kReplacement : code);
        return true;
    }

    bool four_digits(std::uint32_t& code) {
        if (rest_.size() < 4) return false;
        const auto [stop, error] = std::from_chars(rest_.data(), rest_.data() + 4, code, 16);
        if (error != std::errc() || stop != rest_.data() + 4) return false;
        rest_.remove_prefix(4);
        return true;
    }

    std::string_view rest_;
};

/// The entry by the JSON library: for fields that are no strings, such as Docker's "attrs".
bool parse_slowly(std::string_view line, LogLine& entry, std::string& time) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object()) return false;
    entry.text = string_or(json, "log");
    if (string_or(json, "stream") == "stderr") entry.stream = LogLine::Stream::Stderr;
    time = string_or(json, "time");
    return true;
}

bool parse_quickly(std::string_view line, LogLine& entry, std::string& time) {
    Scanner scanner(line);
    if (!scanner.take('{')) return false;
    std::string key;
    std::string value;
    do {
        if (!scanner.string(key) || !scanner.take(':') || !scanner.string(value)) return false;
        if (key == "log") entry.text = std::move(value);
        if (key == "stream" && value == "stderr") entry.stream = LogLine::Stream::Stderr;
        if (key == "time") time = std::move(value);
    } while (scanner.take(','));
    return scanner.take('}');
}

}  // namespace

std::optional<LogLine> parse_log_entry(std::string_view line) {
    LogLine entry;
    std::string time;
    if (!parse_quickly(line, entry, time)) {
        entry = LogLine();
        if (!parse_slowly(line, entry, time)) return std::nullopt;
    }
    const auto parsed = parse_rfc3339(time);
    if (!parsed) return std::nullopt;
    entry.time = *parsed;
    return entry;
}

}  // namespace davit::stack
