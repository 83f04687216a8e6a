#pragma once

#include "image/registry.h"

#include <string>

namespace davit::image {

/// Asks the registry whether it takes the credentials. @errors PermissionDenied where it doesn't
Result<void> check_login(const RegistrySettings& settings, const std::string& domain,
                         const Credentials& credentials);

}  // namespace davit::image
