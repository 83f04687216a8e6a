#pragma once

#include "base/result.h"
#include "cli/context.h"
#include "image/registry.h"

#include <string>

namespace davit::cli {

inline constexpr const char* kRegistriesFile = "/etc/davit/registries.yaml";

/// Mirrors, certificates and exceptions of registries:
///
///     registries:
///       docker.io:
///         mirrors: [https://mirror.example.com]
///       registry.example.com:5000:
///         insecure: true        # plain http, or any certificate
///         ca: /etc/ssl/mine.crt # also cert and key
///
/// A missing file is an empty one. @errors InvalidInput for mistakes, with their place
Result<std::map<std::string, image::RegistryHost>> read_registries(const std::string& path);

/// All that decides how registries are spoken to: the file above (DAVIT_REGISTRIES names another),
/// registries.conf for registries that it does not name, where credentials are, and Ctrl-C.
Result<image::RegistrySettings> registry_settings(const Context& context);

/// The file that `login` writes: $DOCKER_CONFIG/config.json or ~/.docker/config.json.
std::string docker_config(const Context& context);

}  // namespace davit::cli
