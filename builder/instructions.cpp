#include "builder/instructions.h"

#include "base/json.h"
#include "base/strings.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fmt/format.h>

namespace davit::builder {
namespace {

constexpr std::array<const char*, 18> kNames = {
    "ADD",    "ARG",   "CMD",         "COPY",  "ENTRYPOINT", "ENV",
    "EXPOSE", "FROM",  "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
    "RUN",    "SHELL", "STOPSIGNAL",  "USER",  "VOLUME",     "WORKDIR"};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r'; }

/// A part of a line: where it begins and how long it is.
struct Span {
    std::size_t begin = 0;
    std::size_t size = 0;
};

/// What stands after a keyword, with a hand on its place.
class Rest {
public:
    Rest(const Line& line, std::size_t begin, char escape)
        : line_(&line), begin_(begin), escape_(escape) {
        skip_blanks();
    }

    std::string_view text() const { return std::string_view(line_->text).substr(begin_); }
    bool empty() const { return begin_ >= line_->text.size(); }
    SourcePos where() const { return line_->at(begin_, text().size()); }
    Word whole() const { return {std::string(text()), where()}; }
    std::size_t begin() const { return begin_; }

    /// Takes the next word that is free of blanks.
    Word take_plain() {
        const std::size_t end =
            std::min(static_cast<std::size_t>(
                         std::find_if(line_->text.begin() + static_cast<std::ptrdiff_t>(begin_),
                                      line_->text.end(), is_blank) -
                         line_->text.begin()),
                     line_->text.size());
        Word word{line_->text.substr(begin_, end - begin_), line_->at(begin_, end - begin_)};
        begin_ = end;
        skip_blanks();
        return word;
    }

    /// Words at blanks; quotes and escaped blanks hold them together, and stay in the word.
    std::vector<Span> quoted_spans() const {
        std::vector<Span> spans;
        const std::string& text = line_->text;
        for (std::size_t at = begin_; at < text.size();) {
            while (at < text.size() && is_blank(text[at])) ++at;
            if (at >= text.size()) break;
            const std::size_t begin = at;
            char quote = 0;
            for (; at < text.size() && (quote != 0 || !is_blank(text[at])); ++at) {
                const char c = text[at];
                if (c == escape_ && quote != '\'') {
                    ++at;
                } else if (quote != 0) {
                    if (c == quote) quote = 0;
                } else if (c == '"' || c == '\'') {
                    quote = c;
                }
            }
            at = std::min(at, text.size());
            spans.push_back({begin, at - begin});
        }
        return spans;
    }
    std::vector<Word> quoted_words() const {
        std::vector<Word> words;
        for (const Span& span : quoted_spans()) words.push_back(word(span));
        return words;
    }
    Word word(const Span& span) const {
        return {line_->text.substr(span.begin, span.size), line_->at(span.begin, span.size)};
    }

private:
    void skip_blanks() {
        while (begin_ < line_->text.size() && is_blank(line_->text[begin_])) ++begin_;
    }

    const Line* line_;
    std::size_t begin_;
    char escape_;
};

class InstructionReader {
public:
    InstructionReader(const Line& line, LineReader& reader, Diagnostics& diagnostics)
        : line_(line), reader_(reader), diagnostics_(diagnostics) {}

    std::optional<Instruction> read(std::size_t begin, bool trigger) {
        Rest rest(line_, begin, reader_.escape());
        const Word name = rest.take_plain();
        const auto keyword = keyword_of(name);
        result_.where = name.where;
        result_.escape = reader_.escape();
        result_.text = line_.text.substr(begin);
        const std::size_t before = count_errors();
        if (!keyword) {
            // What stands below an unknown instruction belongs to it; guessing would only add
            // mistakes that are none.
            read_heredocs(rest);
            return std::nullopt;
        }
        result_.keyword = *keyword;
        result_.text.replace(0, name.text.size(), to_string(*keyword));
        // Nothing more of it is read: a line of ONBUILD alone would be read as deep as it is long.
        if (trigger && refuse_as_trigger(name)) return std::nullopt;
        read_flags(rest);
        read_heredocs_of(rest);
        if (rest.empty()) {
            error(fmt::format("{} has nothing after it", to_string(*keyword)), name.where,
                  example(*keyword));
            return std::nullopt;
        }
        read_values(rest);
        check_flags(result_, diagnostics_);
        if (count_errors() != before) return std::nullopt;
        return std::move(result_);
    }

private:
    std::size_t count_errors() const {
        return static_cast<std::size_t>(
            std::count_if(diagnostics_.list().begin(), diagnostics_.list().end(),
                          [](const Diagnostic& d) { return d.severity == Severity::Error; }));
    }
    void error(std::string message, const SourcePos& where, std::string help) {
        diagnostics_.error(std::move(message), where, std::move(help));
    }

    std::optional<Keyword> keyword_of(const Word& name) {
        std::string upper = name.text;
        std::transform(upper.begin(), upper.end(), upper.begin(),
                       [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        for (std::size_t at = 0; at < kNames.size(); ++at)
            if (upper == kNames[at]) return static_cast<Keyword>(at);
        const auto meant = nearest(upper, std::vector<std::string>(kNames.begin(), kNames.end()));
        error(fmt::format("unknown instruction '{}'", printable(name.text)), name.where,
              meant ? fmt::format("the nearest is {}", *meant)
                    : "if it belongs to the line before, end that one with the escape character");
        return std::nullopt;
    }

    static std::string example(Keyword keyword) {
        switch (keyword) {
            case Keyword::From: return "write FROM IMAGE";
            case Keyword::Copy:
            case Keyword::Add: return "write the sources, and at the end where they go";
            case Keyword::Env:
            case Keyword::Label: return "write NAME=value";
            case Keyword::Arg: return "write NAME or NAME=default";
            case Keyword::Healthcheck: return "write CMD and a command, or NONE";
            default: return "write a value after it, or take the line away";
        }
    }

    bool refuse_as_trigger(const Word& name) {
        const bool refused = result_.keyword == Keyword::Onbuild ||
                             result_.keyword == Keyword::From ||
                             result_.keyword == Keyword::Maintainer;
        if (refused)
            error(fmt::format("{} can't be a trigger of ONBUILD", to_string(result_.keyword)),
                  name.where, "take the line away");
        return refused;
    }

    void read_flags(Rest& rest) {
        while (rest.text().starts_with("--")) {
            const auto spans = rest.quoted_spans();
            const Word raw = rest.word(spans.front());
            rest = Rest(line_, spans.front().begin + spans.front().size, reader_.escape());
            if (raw.text == "--") return;
            const std::size_t equals = raw.text.find('=');
            Flag flag{.name = raw.text.substr(2, equals == std::string::npos ? equals : equals - 2),
                      .value = {},
                      .where = raw.where};
            if (equals != std::string::npos) flag.value = unquoted(raw.text.substr(equals + 1));
            result_.flags.push_back(std::move(flag));
        }
    }

    /// A flag's value without its outer quotes; variables come later.
    static std::string unquoted(const std::string& value) {
        const bool quoted = value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
                            value.back() == value.front();
        return quoted ? value.substr(1, value.size() - 2) : value;
    }

    void read_heredocs_of(const Rest& rest) {
        if (result_.keyword == Keyword::Run || result_.keyword == Keyword::Copy ||
            result_.keyword == Keyword::Add)
            read_heredocs(rest);
        if (result_.keyword == Keyword::Onbuild) {
            std::string_view text = rest.text();
            for (const char* name : {"RUN", "COPY", "ADD"}) {
                const std::size_t size = std::string_view(name).size();
                if (text.size() > size && equal_caseless(text.substr(0, size), name) &&
                    is_blank(text[size]))
                    read_heredocs(rest);
            }
        }
    }

    static bool equal_caseless(std::string_view a, std::string_view b) {
        return a.size() == b.size() &&
               std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
                   return std::toupper(static_cast<unsigned char>(x)) ==
                          std::toupper(static_cast<unsigned char>(y));
               });
    }

    void read_heredocs(const Rest& rest) {
        if (has_heredocs_) return;
        for (const Word& word : rest.quoted_words()) {
            auto heredoc = heredoc_of(word);
            if (!heredoc) continue;
            auto body = reader_.read_heredoc(heredoc->name, heredoc->strip_tabs);
            if (!body) {
                error(fmt::format("the here-document '{}' has no end", printable(heredoc->name)),
                      word.where,
                      fmt::format("write a line that is '{}' alone", printable(heredoc->name)));
                continue;
            }
            heredoc->body = *std::move(body);
            result_.heredocs.push_back(*std::move(heredoc));
        }
    }

    /// `<<NAME`, `<<-NAME`, `3<<"NAME"`; nothing for other words.
    static std::optional<Heredoc> heredoc_of(const Word& word) {
        std::string_view text = word.text;
        while (!text.empty() && text.front() >= '0' && text.front() <= '9') text.remove_prefix(1);
        if (!text.starts_with("<<")) return std::nullopt;
        text.remove_prefix(2);
        Heredoc heredoc;
        heredoc.where = word.where;
        heredoc.strip_tabs = text.starts_with('-');
        if (heredoc.strip_tabs) text.remove_prefix(1);
        if (text.empty() || text.find('<') != std::string_view::npos) return std::nullopt;
        heredoc.expand = text.find_first_of("\"'\\") == std::string_view::npos;
        for (const char c : text)
            if (c != '"' && c != '\'' && c != '\\') heredoc.name += c;
        if (heredoc.name.empty()) return std::nullopt;
        return heredoc;
    }

    void read_values(Rest& rest) {
        switch (result_.keyword) {
            case Keyword::Run:
            case Keyword::Cmd:
            case Keyword::Entrypoint: read_command(rest); return;
            case Keyword::Shell:
                if (!read_json(rest))
                    error("SHELL is no JSON array of strings", rest.where(),
                          R"(write SHELL ["/bin/bash", "-c"])");
                return;
            case Keyword::Copy:
            case Keyword::Add: read_copy(rest); return;
            case Keyword::Volume:
                if (!read_json(rest)) read_plain(rest);
                return;
            case Keyword::Expose: read_plain(rest); return;
            case Keyword::Env:
            case Keyword::Label: read_pairs(rest); return;
            case Keyword::Arg: read_args(rest); return;
            case Keyword::Healthcheck: read_health(rest); return;
            case Keyword::Onbuild: read_trigger(rest); return;
            case Keyword::From:
                read_plain(rest);
                check_from();
                return;
            case Keyword::Stopsignal:
            case Keyword::User:
            case Keyword::Workdir:
            case Keyword::Maintainer: result_.words.push_back(rest.whole()); return;
        }
    }

    void read_plain(Rest rest) {
        while (!rest.empty()) result_.words.push_back(rest.take_plain());
    }

    /// A JSON array of strings. One that is none is text for the shell, as in Docker; of one with
    /// something else than strings in it, nobody means that.
    bool read_json(const Rest& rest) {
        if (!rest.text().starts_with('[')) return false;
        const auto json = parse_json(rest.text(), "array");
        if (!json || !json->is_array()) return false;
        result_.exec = true;
        for (const Json& item : *json) {
            if (!item.is_string()) {
                error(fmt::format("an array of {} holds something else than strings",
                                  to_string(result_.keyword)),
                      rest.where(), "put it in double quotes");
                return true;
            }
            result_.words.push_back({item.get<std::string>(), rest.where()});
        }
        return true;
    }

    void read_command(const Rest& rest) {
        if (read_json(rest)) {
            if (result_.words.empty() && result_.keyword == Keyword::Run)
                error("RUN has an empty array", rest.where(), "name a program in it");
            return;
        }
        result_.words.push_back(rest.whole());
        if (rest.text().starts_with('[') && rest.text().ends_with(']'))
            diagnostics_.warning(
                fmt::format("the array of {} is no JSON, so it goes to the shell as it is",
                            to_string(result_.keyword)),
                rest.where(), "use double quotes, and escape backslashes");
    }

    void read_copy(const Rest& rest) {
        if (!read_json(rest)) read_plain(rest);
        if (result_.words.size() < 2) {
            error(fmt::format("{} has no destination", to_string(result_.keyword)), rest.where(),
                  "write the sources, and at the end where they go");
            return;
        }
        const Word& target = result_.words.back();
        const bool open = target.text.find('$') != std::string::npos;
        if (result_.words.size() > 2 && !open && !target.text.ends_with('/') &&
            target.text != "." && !target.text.ends_with("/."))
            error(fmt::format("{} has {} sources, and the destination '{}' is no folder",
                              to_string(result_.keyword), result_.words.size() - 1,
                              printable(target.text)),
                  target.where, "end the destination with '/'");
    }

    void read_pairs(const Rest& rest) {
        const std::vector<Word> words = rest.quoted_words();
        if (words.front().text.find('=') == std::string::npos) {  // ENV NAME the whole rest
            Rest after = rest;
            Pair pair{after.take_plain(), std::nullopt};
            if (after.empty()) {
                error(fmt::format("{} '{}' has no value", to_string(result_.keyword),
                                  printable(pair.name.text)),
                      pair.name.where, "write NAME=value");
                return;
            }
            pair.value = after.whole();
            result_.pairs.push_back(std::move(pair));
            return;
        }
        for (const Word& word : words) {
            if (word.text.find('=') == std::string::npos) {
                error(fmt::format("'{}' of {} has no '='", printable(word.text),
                                  to_string(result_.keyword)),
                      word.where, "write NAME=value, and a value with blanks in double quotes");
                continue;
            }
            add_pair(word);
        }
    }

    void add_pair(const Word& word) {
        const std::size_t equals = word.text.find('=');
        Pair pair{word, std::nullopt};
        pair.name.text = word.text.substr(0, equals);
        pair.name.where.length =
            static_cast<std::uint32_t>(std::max<std::size_t>(pair.name.text.size(), 1));
        if (equals != std::string::npos) {
            Word value{word.text.substr(equals + 1), word.where};
            value.where.column += static_cast<std::uint32_t>(equals + 1);
            value.where.length =
                static_cast<std::uint32_t>(std::max<std::size_t>(value.text.size(), 1));
            pair.value = std::move(value);
        }
        if (pair.name.text.empty()) {
            error(fmt::format("a name is missing in {}", to_string(result_.keyword)), word.where,
                  "write it before the '='");
            return;
        }
        result_.pairs.push_back(std::move(pair));
    }

    void read_args(const Rest& rest) {
        for (const Word& word : rest.quoted_words()) add_pair(word);
    }

    void read_health(Rest rest) {
        Word type = rest.take_plain();
        std::transform(type.text.begin(), type.text.end(), type.text.begin(),
                       [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        if (type.text != "NONE" && type.text != "CMD") {
            error(
                fmt::format("HEALTHCHECK has '{}' where CMD or NONE belongs", printable(type.text)),
                type.where, "write HEALTHCHECK CMD and a command, or HEALTHCHECK NONE");
            return;
        }
        if (type.text == "NONE") {
            if (!rest.empty())
                error("something stands after HEALTHCHECK NONE", rest.where(), "take it away");
            result_.words.push_back(type);
            return;
        }
        if (rest.empty()) {
            error("HEALTHCHECK CMD has no command", type.where, "write one after it");
            return;
        }
        result_.words.push_back(type);
        if (!read_json(rest)) result_.words.push_back(rest.whole());
    }

    void read_trigger(const Rest& rest) {
        InstructionReader inner(line_, reader_, diagnostics_);
        // The here-documents have been read already, with this line.
        inner.result_.heredocs = std::move(result_.heredocs);
        inner.has_heredocs_ = true;
        auto trigger = inner.read(rest.begin(), true);
        if (trigger) result_.trigger = std::make_shared<const Instruction>(*std::move(trigger));
    }

    void check_from() {
        auto& words = result_.words;
        if (words.size() == 1) return;
        if (words.size() == 3 && equal_caseless(words[1].text, "AS")) {
            std::string& name = words[2].text;
            std::transform(name.begin(), name.end(), name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
            const bool fits = !name.empty() && name[0] >= 'a' && name[0] <= 'z' &&
                              name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") ==
                                  std::string::npos;
            if (!fits)
                error(fmt::format("'{}' can't be the name of a stage", printable(name)),
                      words[2].where,
                      "begin it with a letter, and use letters, digits, '-', '_' and '.'");
            return;
        }
        error("FROM has more than an image and AS with a name", words[1].where,
              "write FROM IMAGE, or FROM IMAGE AS NAME");
    }

    const Line& line_;
    LineReader& reader_;
    Diagnostics& diagnostics_;
    Instruction result_;
    bool has_heredocs_ = false;
};

}  // namespace

const char* to_string(Keyword keyword) { return kNames[static_cast<std::size_t>(keyword)]; }

std::optional<Instruction> read_instruction(const Line& line, LineReader& reader,
                                            Diagnostics& diagnostics) {
    return InstructionReader(line, reader, diagnostics).read(0, false);
}

}  // namespace davit::builder
