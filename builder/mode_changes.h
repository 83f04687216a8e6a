#pragma once

#include "base/result.h"

#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace davit::builder {

/// Changes of a mode in letters: "u=rwX,go=rX". @source POSIX.1-2017 chmod, "symbolic_mode"
class ModeChanges {
public:
    /// None: every mode stays.
    ModeChanges() = default;

    /// Clauses between commas: whose bits (`u`, `g`, `o`, `a`; nothing: all, for a build has no
    /// umask), `+`, `-` or `=`, and `r`, `w`, `x`, `X`, `s`, `t`, or one of `u`, `g`, `o` whose
    /// bits are taken. @errors InvalidInput
    static Result<ModeChanges> parse(std::string_view text);

    /// `mode` with the changes made, one after the other.
    mode_t applied(mode_t mode, bool folder) const;

    /// As it was written; empty where nothing changes.
    const std::string& text() const { return text_; }

private:
    struct Change {
        mode_t whose = 0;  ///< All bits that it may touch.
        char sign = '+';
        mode_t bits = 0;
        bool conditional = false;  ///< `X`: of folders, and of what somebody may execute.
        char copied = 0;           ///< `u`, `g` or `o`: whose bits are taken; 0: none.
    };
    static bool read_clause(std::string_view clause, std::vector<Change>& changes);
    static mode_t bits_of(const Change& change, mode_t mode, bool folder);

    std::string text_;
    std::vector<Change> changes_;
};

}  // namespace davit::builder
