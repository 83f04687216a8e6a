#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace davit::image {

/// The name of an image in a registry.
/// @source distribution reference grammar; Docker's short names
struct Reference {
    std::string domain = {};  ///< "docker.io" where the name has none.
    std::string path = {};    ///< "library/nginx" for the short name "nginx".
    std::string tag = {};     ///< Empty where only a digest is given; else "latest" by default.
    std::string digest = {};  ///< "sha256:…" or empty.

    bool operator==(const Reference&) const = default;
};

/// @errors InvalidInput, saying which part is wrong and what it may be
Result<Reference> parse_reference(std::string_view text);

/// The full form: "docker.io/library/nginx:1.21.3". Key of the store's index.
std::string canonical(const Reference& reference);

/// The form that people use, as `docker images` has it: repository "nginx", "local/app",
/// "ghcr.io/x/y".
std::string familiar_repository(const Reference& reference);

}  // namespace davit::image
