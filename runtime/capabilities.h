#pragma once

#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace davit::runtime {

/// Bit mask of capability names, with or without "CAP_", any case; bit n is capability n.
/// @errors InvalidInput, with the nearest name @source capabilities(7)
Result<std::uint64_t> capability_mask(const std::vector<std::string>& names);

/// Names ("CAP_CHOWN") of the bits in `mask`, in numeric order.
std::vector<std::string> capability_names(std::uint64_t mask);

/// The 14 capabilities that Docker gives a container by default.
std::uint64_t default_capabilities();

/// Every capability that this davit knows by name.
std::uint64_t all_capabilities();

/// Number of the rlimit "RLIMIT_NOFILE"; nothing where there is none. @source getrlimit(2)
std::optional<int> rlimit_number(std::string_view name);

/// Number of a signal given as "SIGTERM", "TERM", "15", "RTMIN+3"; nothing where it is none.
std::optional<int> signal_number(std::string_view name);

}  // namespace davit::runtime
