#include "base/digest.h"

#include "base/assert.h"
#include "base/sha512.h"

// The functions of the digests themselves, and not EVP, which in a program that has libcrypto in it
// brings all of the library along: it would take longer to start than most commands take to run.
#define OPENSSL_API_COMPAT 10100
#define OPENSSL_SUPPRESS_DEPRECATED
#include <array>
#include <openssl/sha.h>

namespace davit {
namespace {

template <std::size_t kSize>
std::string hex_of(const std::array<unsigned char, kSize>& raw) {
    std::string text;
    for (const unsigned char byte : raw) {
        text += "0123456789abcdef"[byte >> 4U];
        text += "0123456789abcdef"[byte & 15U];
    }
    return text;
}

}  // namespace

struct Sha256::State {
    SHA256_CTX context{};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
    DAVIT_ASSERT(::SHA256_Init(&state_->context) == 1);
}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(const void* data, std::size_t size) {
    DAVIT_ASSERT(::SHA256_Update(&state_->context, data, size) == 1);
}

std::string Sha256::hex() && {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> raw{};
    DAVIT_ASSERT(::SHA256_Final(raw.data(), &state_->context) == 1);
    return hex_of(raw);
}

struct Sha512::State {
    SHA512_CTX context{};
};

Sha512::Sha512() : state_(std::make_unique<State>()) {
    DAVIT_ASSERT(::SHA512_Init(&state_->context) == 1);
}
Sha512::Sha512(Sha512&&) noexcept = default;
Sha512& Sha512::operator=(Sha512&&) noexcept = default;
Sha512::~Sha512() = default;

void Sha512::update(std::string_view bytes) {
    DAVIT_ASSERT(::SHA512_Update(&state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Sha512::hex() && {
    std::array<unsigned char, SHA512_DIGEST_LENGTH> raw{};
    DAVIT_ASSERT(::SHA512_Final(raw.data(), &state_->context) == 1);
    return hex_of(raw);
}

std::string sha256_hex(std::string_view text) {
    Sha256 digest;
    digest.update(text);
    return std::move(digest).hex();
}

}  // namespace davit
