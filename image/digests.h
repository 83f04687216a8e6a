#pragma once

#include "base/digest.h"
#include "base/result.h"

#include <string>
#include <string_view>

/// Digests of blobs as this folder's code has them ("keys"): 64 hexadecimal digits for SHA-256,
/// which nearly all are, and "sha512:" with 128 for SHA-512.
/// @source OCI image-spec, descriptor.md "Registered algorithms"
namespace davit::image {

/// The key of "sha256:…", "sha512:…" or of a key. @errors InvalidInput
Result<std::string> digest_key(const std::string& text);

/// "sha256:…" or "sha512:…".
std::string full_digest(const std::string& key);

/// "sha256:0123456789ab", for messages.
std::string short_digest(const std::string& key);

DigestKind kind_of(const std::string& key);

/// The key of what was hashed to `hex`.
std::string key_of(DigestKind kind, const std::string& hex);

/// The key of `bytes`, by the algorithm of `key`.
std::string key_like(const std::string& key, std::string_view bytes);

}  // namespace davit::image
