#pragma once

#include "cli/context.h"

#include <string>
#include <vector>

/// What commands say under --dry-run, where no plan of steps says it.
namespace davit::cli {

/// One thing that a command would do.
struct Intent {
    char sign = '~';        ///< As in plans: '+' makes, '>' starts, '!' stops, '-' removes.
    const char* verb = "";  ///< "remove"
    const char* kind = "";  ///< "image"
    std::string name = {};
    std::string cause = {};  ///< "asked for by --rmi"; may be empty.
};

/// "  - remove   image       nginx:1.27   asked for by --rmi", a line each, in a plan's columns.
/// Empty where there is none. Pure.
std::string intents_text(const std::vector<Intent>& intents);

/// The whole answer of a command under --dry-run. Returns its exit status.
int tell_intents(const std::vector<Intent>& intents);

/// One intent of each name.
std::vector<Intent> intents_of(const Intent& pattern, const std::vector<std::string>& names);

}  // namespace davit::cli
