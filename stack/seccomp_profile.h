#pragma once

#include "base/json.h"
#include "base/result.h"

#include <cstdint>
#include <string>

namespace davit::stack {

/// What a profile may ask about the machine and the container.
struct ProfileFacts {
    std::uint64_t capabilities = 0;  ///< Bit mask of the container's.
    std::string architecture = {};   ///< As Go has it: "amd64".
    int kernel_major = 0;
    int kernel_minor = 0;
};

/// This machine's, for a container with `capabilities`.
ProfileFacts profile_facts(std::uint64_t capabilities);

/// A profile as Docker reads it (with includes, excludes and archMap) as an OCI `linux.seccomp`
/// object. Pure. @errors InvalidInput @source moby profiles/seccomp
Result<Json> oci_seccomp(const std::string& profile, const ProfileFacts& facts);

}  // namespace davit::stack
