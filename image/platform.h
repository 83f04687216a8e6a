#pragma once

#include "base/json.h"
#include "base/result.h"

#include <string>
#include <string_view>

namespace davit::image {

/// What an image runs on. @source OCI image-spec, image-index.md "platform"
struct Platform {
    std::string os = "linux";
    std::string architecture = {};
    std::string variant = {};  ///< "v7"; mostly empty.

    bool operator==(const Platform&) const = default;
};

/// "linux/arm/v7", "linux/amd64", "arm64"; empty: this host's. @errors InvalidInput
Result<Platform> parse_platform(std::string_view text);
/// "linux/arm/v7".
std::string to_string(const Platform& platform);

/// The descriptor of `index` that suits `wanted` best, in Docker's order (arm64 also runs arm/v8
/// down to v5, amd64 also 386); attestations are no images. @errors NotFound, with those there are
Result<Json> choose_manifest(const Json& index, const Platform& wanted);

}  // namespace davit::image
