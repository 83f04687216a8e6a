#pragma once

#include <string_view>

namespace davit::image {

/// The file that hides what a folder has in the layers below.
/// @source OCI image spec, layer.md, "Opaque Whiteout"
inline constexpr std::string_view kOpaque = ".wh..wh..opq";

}  // namespace davit::image
