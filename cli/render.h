#pragma once

#include "base/diagnostic.h"
#include "base/error.h"
#include "stack/executor.h"

#include <string>
#include <vector>

/// How mistakes look. The only place where errors become text for people.
namespace davit::cli {

/// An error with its place, the line it stands on and its cure, where it has them:
///
///     compose.yaml:3:12: error: no image 'nginx:9'
///         3 |     image: nginx:9
///           |            ^~~~~~~
///       help: load it with 'davit load -i FILE'
std::string render(const Error& error, bool colour);

/// Remarks about the user's files, by place. A broken file of a command that can do without it
/// makes only warnings.
std::string render(const Diagnostics& diagnostics, Severity at_most, bool colour);

/// Remarks for programs: a JSON list of {severity, message, file, line, column, length, help,
/// notes}, in the order of the files.
std::string render_json(const Diagnostics& diagnostics);

/// "warning: …", one line.
std::string render_warning(const std::string& text, bool colour);

/// A step that failed, at the place in the file that asked for it.
std::string render(const stack::FailedStep& failed, bool colour);

}  // namespace davit::cli
