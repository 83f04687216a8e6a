#include "cli/intents.h"

#include "cli/exit_code.h"
#include "cli/terminal.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::cli {

std::string intents_text(const std::vector<Intent>& intents) {
    std::size_t width = 0;
    for (const Intent& intent : intents) width = std::max(width, width_of(intent.name));
    std::string text;
    for (const Intent& intent : intents) {
        const std::string padding =
            intent.cause.empty() ? "" : std::string(width - width_of(intent.name) + 3, ' ');
        text += fmt::format("  {} {:<6}   {:<9}   {}{}{}\n", intent.sign, intent.verb, intent.kind,
                            harmless(intent.name), padding, harmless(intent.cause));
    }
    return text;
}

int tell_intents(const std::vector<Intent>& intents) {
    to_stdout(intents.empty() ? "Nothing to change.\n" : intents_text(intents));
    return kOk;
}

std::vector<Intent> intents_of(const Intent& pattern, const std::vector<std::string>& names) {
    std::vector<Intent> intents;
    for (const std::string& name : names) {
        intents.push_back(pattern);
        intents.back().name = name;
    }
    return intents;
}

}  // namespace davit::cli
