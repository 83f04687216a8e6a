#include "base/digest.h"

#include "base/assert.h"
#include "base/sha512.h"

#include <openssl/evp.h>

namespace davit {
namespace {

/// One digest under way.
class Running {
public:
    explicit Running(const EVP_MD* kind) : context_(EVP_MD_CTX_new()) {
        DAVIT_ASSERT(context_ != nullptr);
        DAVIT_ASSERT(EVP_DigestInit_ex(context_, kind, nullptr) == 1);
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() { EVP_MD_CTX_free(context_); }

    void update(const void* data, std::size_t size) {
        DAVIT_ASSERT(EVP_DigestUpdate(context_, data, size) == 1);
    }
    std::string hex() {
        std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
        unsigned int size = 0;
        DAVIT_ASSERT(EVP_DigestFinal_ex(context_, raw.data(), &size) == 1);
        std::string text;
        for (unsigned int i = 0; i < size; ++i) {
            text += "0123456789abcdef"[raw[i] >> 4U];
            text += "0123456789abcdef"[raw[i] & 15U];
        }
        return text;
    }

private:
    EVP_MD_CTX* context_;
};

}  // namespace

struct Sha256::State {
    Running digest{EVP_sha256()};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(const void* data, std::size_t size) { state_->digest.update(data, size); }

std::string Sha256::hex() && { return state_->digest.hex(); }

struct Sha512::State {
    Running digest{EVP_sha512()};
};

Sha512::Sha512() : state_(std::make_unique<State>()) {}
Sha512::Sha512(Sha512&&) noexcept = default;
Sha512& Sha512::operator=(Sha512&&) noexcept = default;
Sha512::~Sha512() = default;

void Sha512::update(std::string_view bytes) { state_->digest.update(bytes.data(), bytes.size()); }

std::string Sha512::hex() && { return state_->digest.hex(); }

std::string sha256_hex(std::string_view text) {
    Sha256 digest;
    digest.update(text);
    return std::move(digest).hex();
}

}  // namespace davit
