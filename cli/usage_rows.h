#pragma once

#include "base/json.h"
#include "cli/row_format.h"
#include "stack/processes.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

/// What `stats` shows. Pure.
namespace davit::cli {

/// Two looks at one container; `before` absent: it was looked at only once.
struct UsageSample {
    stack::ContainerView view = {};
    stack::Usage before = {};
    stack::Usage now = {};
    std::chrono::nanoseconds between{0};
};

/// One container with the keys of `docker stats --format json`.
Json usage_row(const UsageSample& sample, bool whole_ids);

/// The columns of `docker stats`. @source docker/cli cli/command/container/formatter_stats.go
RowKind usage_kind();

/// "1.5KiB": powers of 1024, four digits. @source docker/go-units BytesSize
std::string binary_size(std::int64_t bytes);

}  // namespace davit::cli
