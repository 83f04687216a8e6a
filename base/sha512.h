#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace davit {

/// A running SHA-512 over bytes that arrive in pieces.
class Sha512 {
public:
    Sha512();
    Sha512(Sha512&&) noexcept;
    Sha512& operator=(Sha512&&) noexcept;
    ~Sha512();

    void update(std::string_view bytes);

    /// The 128 lower-case hexadecimal digits of all bytes so far. Ends this digest.
    std::string hex() &&;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace davit
