#pragma once

#include "base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace davit::compose {

struct ShellWords {
    std::vector<std::string> words = {};
    std::string dropped = {};  ///< What stands from an operator of the shell on: "&& echo done".
};

/// The words of a `command:` or `entrypoint:` that is one string: quotes and backslashes as in a
/// shell, nothing else. Docker Compose drops what follows an unquoted `;`, `&`, `|`, `<` or `>`; so
/// do we, and the caller says so.
/// @errors InvalidInput @source mattn/go-shellwords, as compose-go uses it
Result<ShellWords> shell_words(std::string_view text);

}  // namespace davit::compose
