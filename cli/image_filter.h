#pragma once

#include "base/result.h"
#include "image/store.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

/// `--filter` of `images` and `image prune`.
namespace davit::cli {

struct ImageFilter {
    std::vector<std::string> references = {};      ///< Patterns; one must fit.
    std::vector<std::string> labels = {};          ///< "NAME" or "NAME=VALUE"; all must be there.
    std::vector<std::string> without_labels = {};  ///< label!=: none may be there.
    std::optional<bool> dangling = {};             ///< Without a name.
    /// RFC 3339; images that were made before, or after. Empty: any.
    std::string before = {};
    std::string since = {};
};

/// Reads "key=value" words. before= and since= name images of `all`; until= is a time or a
/// duration. @errors InvalidInput for another key or value, NotFound for an image
/// @source docker images --filter; docker image prune --filter
Result<ImageFilter> parse_image_filter(const std::vector<std::string>& words,
                                       const image::Store& store);

/// Whether the image is one that is asked for; names that no pattern fits are taken out of it.
/// Pure.
bool take_image(const ImageFilter& filter, image::Image& image);

/// Whether a pattern of Go's path.Match fits the name, as people write it: "nginx", "*/web:1.*".
bool reference_fits(const std::string& pattern, const image::Reference& name);

/// Whether a "NAME" or "NAME=VALUE" is among `labels`.
bool has_label(const std::map<std::string, std::string>& labels, const std::string& wanted);

}  // namespace davit::cli
