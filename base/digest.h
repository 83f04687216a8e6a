#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace davit {

/// A running SHA-256 over bytes that arrive in pieces.
class Sha256 {
public:
    Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;
    ~Sha256();

    void update(const void* data, std::size_t size);
    void update(std::string_view text) { update(text.data(), text.size()); }

    /// The 64 lower-case hexadecimal digits of all bytes so far. Ends this digest.
    std::string hex() &&;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// SHA-256 of `text` in hexadecimal.
std::string sha256_hex(std::string_view text);

}  // namespace davit
