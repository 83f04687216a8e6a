#include "image/digests.h"

#include "base/strings.h"

#include <fmt/format.h>

namespace davit::image {
namespace {

constexpr std::string_view kSha256 = "sha256:";
constexpr std::string_view kSha512 = "sha512:";

bool is_hex(std::string_view text, std::size_t digits) {
    return text.size() == digits &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

Result<std::string> digest_key(const std::string& text) {
    std::string_view rest = text;
    if (rest.starts_with(kSha512) && is_hex(rest.substr(kSha512.size()), 128)) return text;
    if (rest.starts_with(kSha256)) rest.remove_prefix(kSha256.size());
    if (is_hex(rest, 64)) return std::string(rest);
    return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not a sha256 or sha512 digest",
                                                      printable(text.substr(0, 100))));
}

std::string full_digest(const std::string& key) {
    return key.find(':') == std::string::npos ? std::string(kSha256) + key : key;
}

std::string short_digest(const std::string& key) {
    return full_digest(key).substr(0, kSha256.size() + 12);
}

DigestKind kind_of(const std::string& key) {
    return key.starts_with(kSha512) ? DigestKind::Sha512 : DigestKind::Sha256;
}

std::string key_of(DigestKind kind, const std::string& hex) {
    return kind == DigestKind::Sha512 ? std::string(kSha512) + hex : hex;
}

std::string key_like(const std::string& key, std::string_view bytes) {
    Digest digest(kind_of(key));
    digest.update(bytes);
    return key_of(kind_of(key), std::move(digest).hex());
}

}  // namespace davit::image
