#pragma once

#include <string>
#include <utility>
#include <vector>

namespace davit::image {

/// Another place that has the same repositories.
struct MirrorRule {
    std::string location = {};  ///< "mirror.example.com:5000/hub"; stands for the rule's prefix.
    bool insecure = false;      ///< Plain http, or any certificate.
    bool tags = true;           ///< It may say what a tag means.
    bool digests = true;        ///< It may give a manifest by its digest.
    bool operator==(const MirrorRule&) const = default;
};

/// What the host's registries.conf says of the repositories whose names begin with a prefix.
/// @source containers-registries.conf(5)
struct RegistryRule {
    std::string prefix = {};    ///< "docker.io", "quay.io/org", "*.example.com"
    std::string location = {};  ///< Stands for the prefix; empty: the name is kept.
    bool insecure = false;
    bool blocked = false;
    std::vector<MirrorRule> mirrors = {};
    std::string source = {};  ///< The file, for messages.
    bool operator==(const RegistryRule&) const = default;
};

/// The rule with the longest prefix that `domain`/`path` begins with (in whole parts); of two as
/// long the one without '*'. Null where none does. Pure.
const RegistryRule* find_rule(const std::vector<RegistryRule>& rules, const std::string& domain,
                              const std::string& path);

/// The host and the repository that `location` is, with what stands behind the rule's prefix in
/// `domain`/`path`; without a location the name itself. Pure.
std::pair<std::string, std::string> placed(const RegistryRule& rule, const std::string& location,
                                           const std::string& domain, const std::string& path);

}  // namespace davit::image
