#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace davit::image {

/// The digits of base64, by their values.
inline constexpr std::string_view kBase64Letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The bytes that base64 means, with and without '=' at its end. Nothing where another letter is in
/// it. Its counterpart is in credentials.h. @source RFC 4648 §4
std::optional<std::string> from_base64(std::string_view text);

}  // namespace davit::image
