#include "builder/mode_changes.h"

#include "base/strings.h"

#include <fmt/format.h>

namespace davit::builder {
namespace {

constexpr mode_t kUser = 04700;
constexpr mode_t kGroup = 02070;
constexpr mode_t kOthers = 01007;
constexpr mode_t kAll = kUser | kGroup | kOthers;
constexpr mode_t kExecute = 0111;

/// The bits that belong to `who`; 0 where it is none of "ugoa".
mode_t bits_that_belong_to(char who) {
    switch (who) {
        case 'u': return kUser;
        case 'g': return kGroup;
        case 'o': return kOthers;
        case 'a': return kAll;
        default: return 0;
    }
}

/// What a letter means for everybody; 0 where it is none of "rwxst".
mode_t bits_of_letter(char letter) {
    switch (letter) {
        case 'r': return 0444;
        case 'w': return 0222;
        case 'x': return kExecute;
        case 's': return 06000;
        case 't': return 01000;
        default: return 0;
    }
}

/// The rwx bits that one of "ugo" has, for everybody.
mode_t copied_bits(char from, mode_t mode) {
    const unsigned shift = from == 'u' ? 6 : from == 'g' ? 3 : 0;
    return ((mode >> shift) & 07U) * kExecute;
}

bool is_sign(char c) { return c == '+' || c == '-' || c == '='; }

}  // namespace

bool ModeChanges::read_clause(std::string_view clause, std::vector<Change>& changes) {
    std::size_t at = 0;
    mode_t whose = 0;
    while (at < clause.size() && bits_that_belong_to(clause[at]) != 0)
        whose |= bits_that_belong_to(clause[at++]);
    if (whose == 0) whose = kAll;
    if (at == clause.size()) return false;
    while (at < clause.size()) {
        if (!is_sign(clause[at])) return false;
        Change change;
        change.whose = whose;
        change.sign = clause[at++];
        const std::size_t first = at;
        for (; at < clause.size() && !is_sign(clause[at]); ++at) {
            const char letter = clause[at];
            if (change.copied != 0) return false;  // stands alone
            if (letter == 'X') {
                change.conditional = true;
            } else if (const mode_t bits = bits_of_letter(letter); bits != 0) {
                change.bits |= bits;
            } else if (at == first && letter != 'a' && bits_that_belong_to(letter) != 0) {
                change.copied = letter;
            } else {
                return false;
            }
        }
        changes.push_back(change);
    }
    return true;
}

Result<ModeChanges> ModeChanges::parse(std::string_view text) {
    ModeChanges parsed;
    parsed.text_ = text;
    for (const std::string& clause : split(text, ','))
        if (!read_clause(clause, parsed.changes_))
            return Error(ErrorKind::InvalidInput, fmt::format("'{}' is no mode", printable(text)))
                .help("write it like 0755 or u=rwX,go=rX");
    return parsed;
}

mode_t ModeChanges::bits_of(const Change& change, mode_t mode, bool folder) {
    if (change.copied != 0) return copied_bits(change.copied, mode);
    const bool executes = change.conditional && (folder || (mode & kExecute) != 0);
    return executes ? change.bits | kExecute : change.bits;
}

mode_t ModeChanges::applied(mode_t mode, bool folder) const {
    for (const Change& change : changes_) {
        const mode_t bits = bits_of(change, mode, folder) & change.whose;
        if (change.sign == '=') mode &= ~change.whose;
        if (change.sign == '-')
            mode &= ~bits;
        else
            mode |= bits;
    }
    return mode;
}

}  // namespace davit::builder
