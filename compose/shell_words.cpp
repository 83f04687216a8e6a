#include "compose/shell_words.h"

#include <fmt/format.h>

namespace davit::compose {

Result<ShellWords> shell_words(std::string_view text) {
    ShellWords result;
    std::string word;
    bool in_word = false;
    char quote = '\0';
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\\' && quote != '\'') {
            if (++i == text.size())
                return Error(ErrorKind::InvalidInput, "a backslash ends the line")
                    .help("write two where one is meant");
            word += text[i];
            in_word = true;
        } else if (quote != '\0') {
            if (c == quote)
                quote = '\0';
            else
                word += c;
        } else if (c == '"' || c == '\'') {
            quote = c;
            in_word = true;
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            if (in_word) result.words.push_back(std::move(word));
            word.clear();
            in_word = false;
        } else if (c == '(' && word.ends_with('$') && text.find(')', i) != std::string_view::npos) {
            // $(…) is kept as it stands: no shell will run it.
            const std::size_t end = text.find(')', i);
            word += text.substr(i, end - i + 1);
            i = end;
        } else if (c == '(' || c == ')') {
            return Error(ErrorKind::InvalidInput, "a bracket stands outside of quotes")
                .help("put it in quotes");
        } else if (std::string_view(";&|<>").find(c) != std::string_view::npos) {
            result.dropped = text.substr(i);
            break;
        } else {
            word += c;
            in_word = true;
        }
    }
    if (quote != '\0')
        return Error(ErrorKind::InvalidInput, fmt::format("a {} is not closed", quote))
            .help("close it with the same quotation mark");
    if (in_word) result.words.push_back(std::move(word));
    return result;
}

}  // namespace davit::compose
