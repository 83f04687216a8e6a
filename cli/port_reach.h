#pragma once

#include "stack/status.h"

#include <string>
#include <vector>

namespace davit::cli {

/// From where the published ports of a container are reachable, a line each; ports that follow each
/// other share one:
///
///     web 8080/tcp: http://localhost:8080, from this host and other machines
///     db 5432/tcp: from this host alone
///
/// One whose networks are all internal says that its ports are not published. Pure.
std::vector<std::string> port_reach(const stack::ContainerRecord& record);

}  // namespace davit::cli
