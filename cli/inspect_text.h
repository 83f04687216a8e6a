#pragma once

#include "base/json.h"
#include "base/result.h"

#include <string>

namespace davit::cli {

/// Adds to `text` what the `inspect` commands print of a list of objects: all of it where `format`
/// is empty, "json" in one line, or a template filled in for each, up to the first that it doesn't
/// fit. What Docker's types have though their JSON leaves it out where it is empty (.State.Health,
/// .Config.Healthcheck) is empty in a template. @errors InvalidInput
Result<void> inspect_text(const std::string& format, const Json& all, std::string& text);

/// The same to standard output.
Result<void> show_inspected(const std::string& format, const Json& all);

}  // namespace davit::cli
