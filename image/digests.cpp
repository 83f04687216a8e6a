#include "image/digests.h"

#include "base/strings.h"

#include <fmt/format.h>
#include <vector>

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

bool is_sha512(const std::string& key) { return key.starts_with(kSha512); }

std::string key_like(const std::string& key, std::string_view bytes) {
    if (!is_sha512(key)) return sha256_hex(bytes);
    Sha512 digest;
    digest.update(bytes);
    return std::string(kSha512) + std::move(digest).hex();
}

BlobSource::BlobSource(ByteSource& source, const std::string& key) : source_(source) {
    if (is_sha512(key)) digest_ = Sha512();
}

Result<std::size_t> BlobSource::read(char* buffer, std::size_t size) {
    const std::size_t got = TRY(source_.read(buffer, size));
    std::visit([&](auto& digest) { digest.update(std::string_view(buffer, got)); }, digest_);
    size_ += static_cast<std::int64_t>(got);
    return got;
}

Result<void> BlobSource::drain() {
    std::vector<char> rest(65536);
    while (TRY(read(rest.data(), rest.size())) > 0) {
    }
    return {};
}

std::string BlobSource::key() && {
    const bool long_one = std::holds_alternative<Sha512>(digest_);
    const std::string hex =
        std::visit([](auto& digest) { return std::move(digest).hex(); }, digest_);
    return long_one ? std::string(kSha512) + hex : hex;
}

}  // namespace davit::image
