#pragma once

#include "base/result.h"
#include "base/sha512.h"
#include "image/byte_source.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

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

/// Whether `key` is one of SHA-512.
bool is_sha512(const std::string& key);

/// The key of `bytes`, by the algorithm of `key`.
std::string key_like(const std::string& key, std::string_view bytes);

/// Passes the bytes of `source` on, counts them and hashes them by the algorithm of a key.
class BlobSource : public ByteSource {
public:
    /// `source` must outlive it. An empty `key` is one of SHA-256.
    BlobSource(ByteSource& source, const std::string& key);
    Result<std::size_t> read(char* buffer, std::size_t size) override;

    /// Reads what is left, so that key and size cover everything.
    Result<void> drain();
    std::int64_t size() const { return size_; }
    /// Ends the hashing.
    std::string key() &&;

private:
    ByteSource& source_;
    std::variant<Sha256, Sha512> digest_;
    std::int64_t size_ = 0;
};

}  // namespace davit::image
