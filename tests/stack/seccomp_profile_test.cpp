#include "stack/seccomp_profile.h"

#include "runtime/capabilities.h"

#include <doctest/doctest.h>

// Docker's form of a profile, brought into the one that the runtime reads.
using namespace davit;
using namespace davit::stack;

namespace {

constexpr const char* kProfile = R"({
  "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
  "archMap": [
    {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
    {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
  "syscalls": [
    {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
    {"name": "mount", "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
    {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]},
     "args": [{"index": 0, "value": 2114060288, "op": "SCMP_CMP_MASKED_EQ"}]},
    {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
    {"names": ["later"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "9.0"}},
    {"names": ["arm_only"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}}]})";

std::vector<std::string> first_names(const Json& filter) {
    std::vector<std::string> names;
    for (const Json& rule : filter["syscalls"]) names.push_back(rule["names"][0]);
    return names;
}

}  // namespace

TEST_CASE("rules of a profile apply by capability, kernel and architecture") {
    ProfileFacts facts{0, "amd64", 6, 1};
    Result<Json> filter = oci_seccomp(kProfile, facts);
    REQUIRE(filter);
    CHECK(first_names(*filter) == std::vector<std::string>{"read", "clone", "ptrace"});
    CHECK((*filter)["defaultErrnoRet"] == 38);
    CHECK((*filter)["architectures"] == Json{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"});
    CHECK((*filter)["syscalls"][1]["args"].size() == 1);

    facts.capabilities = *runtime::capability_mask({"SYS_ADMIN"});
    filter = oci_seccomp(kProfile, facts);
    REQUIRE(filter);
    CHECK(first_names(*filter) == std::vector<std::string>{"read", "mount", "ptrace"});

    facts = {0, "arm64", 4, 7};
    filter = oci_seccomp(kProfile, facts);
    REQUIRE(filter);
    CHECK(first_names(*filter) == std::vector<std::string>{"read", "clone", "arm_only"});
    CHECK((*filter)["architectures"] == Json{"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"});
}

TEST_CASE("what is no profile is refused") {
    const ProfileFacts facts{0, "amd64", 6, 1};
    CHECK_FALSE(oci_seccomp("{}", facts));
    CHECK_FALSE(oci_seccomp("[", facts));
    CHECK_FALSE(oci_seccomp(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{}]})", facts));
}
