#pragma once

#include "base/json.h"
#include "base/result.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace davit::cli {

/// The smallest parts of a template.
struct TemplateToken {
    enum class Kind {
        Text,      ///< Between actions; `text` has trim markers carried out.
        Open,      ///< "{{"
        Close,     ///< "}}"
        Space,     ///< Between the words of an action.
        Dot,       ///< "."
        Field,     ///< ".Name"; `text` is "Name".
        Variable,  ///< "$" or "$name".
        Word,      ///< A function or a keyword.
        Literal,   ///< A string, a number or a character.
        Pipe,
        Comma,
        Declare,  ///< ":="
        Assign,   ///< "="
        LeftParen,
        RightParen,
        End
    };
    Kind kind = Kind::End;
    std::string text = {};
    Json literal = {};
    std::size_t begin = 0;  ///< In the template.
    std::size_t end = 0;
};

/// Cuts a template into tokens, the last one being End. Comments are left out.
/// @errors InvalidInput with the place @source Go text/template/parse lex.go
Result<std::vector<TemplateToken>> template_tokens(std::string_view text);

}  // namespace davit::cli
