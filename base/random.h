#pragma once

#include <cstddef>
#include <string>

namespace davit {

/// `bytes` random bytes of the kernel as lower-case hexadecimal, twice as many characters.
std::string random_hex(std::size_t bytes);

}  // namespace davit
