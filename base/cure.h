#pragma once

#include "base/error.h"

#include <string>

namespace davit {

/// What the user can do: the error's own word, or else what helps against its errno wherever it
/// comes from; empty where nobody knows.
std::string cure_of(const Error& error);

}  // namespace davit
