#pragma once

#include "base/json.h"
#include "cli/commands/commands.h"
#include "cli/target.h"
#include "stack/operations.h"

#include <string>

/// A plan that somebody agrees on before it is carried out: `davit plan --out FILE`, then
/// `davit up --plan FILE`.
namespace davit::cli {

struct PlanFile {
    std::string project = {};
    std::string fingerprint = {};  ///< See stack::UpPreview.
    UpFlags flags = {};            ///< Those of declare_planning and the services.
};

/// The file's content: the steps, for people and their tools, and what `up` needs.
Json plan_file(const stack::UpPreview& preview, const std::string& project, const UpFlags& flags);

/// @errors NotFound; InvalidInput for another file; Unsupported for one of a newer davit
Result<PlanFile> read_plan_file(const std::string& path);

/// What `up` asks of stack/ with these flags. @errors NotFound, InvalidInput
Result<stack::UpRequest> up_request_of(const Context& context, const Target& target,
                                       const UpFlags& flags);

/// Flags that say the opposite of each other.
Result<void> check_flags(const UpFlags& flags);

/// Whether one of the flags is given that a plan file has already.
bool has_planning_flags(const UpFlags& flags);

/// Takes over what the plan was made with.
void apply(const PlanFile& file, UpFlags& flags);

}  // namespace davit::cli
