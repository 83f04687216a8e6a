#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace davit::network {

/// Writes a setting below /proc/sys/net that may be missing in this kernel, or forbidden where
/// davit itself runs in a container. `name` as in "ipv6/conf/all/accept_ra".
void set_if_possible(const std::string& name, std::string_view value);

/// Writes a setting that is needed, unless it has the value already.
Result<void> set_needed(const std::string& name, std::string_view value);

/// Lets this host forward packets of IPv4 and, if asked for, of IPv6. A link that has its address
/// from router advertisements keeps listening to them, which a forwarding host otherwise doesn't.
/// @source Linux Documentation/networking/ip-sysctl.rst, accept_ra
Result<void> turn_forwarding_on(bool v6);

}  // namespace davit::network
