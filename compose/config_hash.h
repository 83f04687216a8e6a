#pragma once

#include "compose/project.h"

#include <string>

namespace davit::compose {

/// SHA-256 of everything in a service whose change needs a new container: all but `depends_on`.
/// What is not set is not hashed, so a release that knows more keys makes no container anew.
std::string config_hash(const Project& project, const Service& service);

/// SHA-256 of everything in a network whose change needs a new one.
std::string config_hash(const Network& network);

}  // namespace davit::compose
