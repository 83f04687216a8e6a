#pragma once

#include "base/result.h"

#include <map>
#include <string>
#include <string_view>

namespace davit::cli {

/// What the two output streams are, and whether they get colours.
struct Terminal {
    bool out_is_terminal = false;
    bool err_is_terminal = false;
    bool out_colour = false;
    bool err_colour = false;
};

/// Looks at the streams. `ansi` is "never", "auto" or "always"; NO_COLOR and TERM=dumb in
/// `environment` turn colours off where it is "auto". @errors InvalidInput for another word
/// @source no-color.org
Result<Terminal> probe_terminal(const std::string& ansi,
                                const std::map<std::string, std::string>& environment);

/// Results go to standard output, everything else to standard error.
void to_stdout(std::string_view text);
void to_stderr(std::string_view text);

/// Writes what is still buffered. False where standard output takes no more (a full disk), which
/// must not look like success.
bool flush_stdout();

/// SGR sequences (colours) in text of others: kept, or shown as escapes like the rest.
enum class Sgr { Escape, Keep };

/// `text` so that it can't steer the terminal it is shown on: control characters, C1 codes (also as
/// lone bytes), direction marks and bytes that are no UTF-8 become visible escapes; tabs stay.
std::string harmless(std::string_view text, Sgr sgr = Sgr::Escape);

/// `text` line by line made harmless; its line breaks stay.
std::string harmless_lines(std::string_view text);

/// Columns that `text` fills, counted as one a code point.
std::size_t width_of(std::string_view text);

/// `text` in the colour of an SGR number ("32": green), or as it is where `on` is false.
std::string coloured(std::string_view text, const char* sgr, bool on);

}  // namespace davit::cli
