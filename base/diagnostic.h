#pragma once

#include "base/source.h"

#include <string>
#include <vector>

namespace davit {

enum class Severity { Warning, Error };

/// One remark about the user's input. All three texts say what is wrong, where, and the cure.
struct Diagnostic {
    Severity severity = Severity::Error;
    std::string message = {};  ///< What is wrong: "unknown key 'imgae' in service 'web'".
    SourcePos where = {};      ///< May be empty, for remarks about the command line.
    std::string help = {};     ///< What to do; may be empty.
    /// Related places: "first defined here".
    std::vector<std::pair<std::string, SourcePos>> notes = {};
};

/// Renders one remark the way compilers do, so that editors can jump to it:
///
///     compose.yaml:4:5: error: unknown key 'imgae' in service 'web'
///        4 |     imgae: nginx:1.27
///          |     ^~~~~
///       help: the nearest key is 'image'
std::string render(const Diagnostic& diagnostic);

/// The remarks about one input, in the order in which they were found. Stages add to it and go on,
/// so that a user sees all mistakes of a file at once; whoever called them asks `ok()`.
class Diagnostics {
public:
    void add(Diagnostic diagnostic) { list_.push_back(std::move(diagnostic)); }
    void error(std::string message, SourcePos where, std::string help = {}) {
        add({Severity::Error, std::move(message), std::move(where), std::move(help), {}});
    }
    void warning(std::string message, SourcePos where, std::string help = {}) {
        add({Severity::Warning, std::move(message), std::move(where), std::move(help), {}});
    }

    /// Whether no error is among the remarks.
    bool ok() const;
    const std::vector<Diagnostic>& list() const { return list_; }
    /// Sorts by file, line and column, for printing: stages find mistakes in their own order.
    void sort_by_place();

private:
    std::vector<Diagnostic> list_;
};

}  // namespace davit
