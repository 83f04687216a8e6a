#include "base/digest.h"

#include "base/assert.h"

#include <openssl/evp.h>

namespace davit {

struct Digest::State {
    explicit State(DigestKind kind) : context(EVP_MD_CTX_new()) {
        DAVIT_ASSERT(context != nullptr);
        DAVIT_ASSERT(EVP_DigestInit_ex(context,
                                       kind == DigestKind::Sha512 ? EVP_sha512() : EVP_sha256(),
                                       nullptr) == 1);
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { EVP_MD_CTX_free(context); }

    EVP_MD_CTX* context;
};

Digest::Digest(DigestKind kind) : state_(std::make_unique<State>(kind)) {}
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

void Digest::update(const void* data, std::size_t size) {
    DAVIT_ASSERT(EVP_DigestUpdate(state_->context, data, size) == 1);
}

std::string Digest::hex() && {
    std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
    unsigned int size = 0;
    DAVIT_ASSERT(EVP_DigestFinal_ex(state_->context, raw.data(), &size) == 1);
    std::string text;
    for (unsigned int i = 0; i < size; ++i) {
        text += "0123456789abcdef"[raw[i] >> 4U];
        text += "0123456789abcdef"[raw[i] & 15U];
    }
    return text;
}

std::string sha256_hex(std::string_view text) {
    Sha256 digest;
    digest.update(text);
    return std::move(digest).hex();
}

}  // namespace davit
