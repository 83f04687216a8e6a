#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace davit {

enum class DigestKind { Sha256, Sha512 };

/// A running digest over bytes that arrive in pieces.
class Digest {
public:
    explicit Digest(DigestKind kind);
    Digest(Digest&&) noexcept;
    Digest& operator=(Digest&&) noexcept;
    ~Digest();

    void update(const void* data, std::size_t size);
    void update(std::string_view text) { update(text.data(), text.size()); }

    /// The lower-case hexadecimal digits (64 or 128) of all bytes so far. Ends this digest.
    std::string hex() &&;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// The one that nearly everything here is known by.
class Sha256 : public Digest {
public:
    Sha256() : Digest(DigestKind::Sha256) {}
};

/// SHA-256 of `text` in hexadecimal.
std::string sha256_hex(std::string_view text);

}  // namespace davit
