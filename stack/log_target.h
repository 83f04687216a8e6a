#pragma once

#include "base/result.h"
#include "runtime/log_forward.h"
#include "stack/records.h"

#include <optional>

namespace davit::stack {

/// Where the lines of a container go beside its log file; nothing for the drivers that only have
/// the file. Pure but for the name of this host. @errors InvalidInput for options that mean nothing
/// @source Docker's logging drivers "journald" and "syslog"
Result<std::optional<runtime::LogTarget>> log_target_of(const ContainerRecord& record);

}  // namespace davit::stack
