#include "image/registry_rules.h"

namespace davit::image {
namespace {

/// How much of `domain`/`path` the prefix covers; 0: nothing.
std::size_t covered(const std::string& prefix, const std::string& domain, const std::string& path) {
    if (prefix.starts_with("*.")) {
        const bool below = domain.size() >= prefix.size() && domain.ends_with(prefix.substr(1));
        return below ? domain.size() : 0;
    }
    const std::string name = path.empty() ? domain : domain + "/" + path;
    if (!name.starts_with(prefix)) return 0;
    return name.size() == prefix.size() || name[prefix.size()] == '/' ? prefix.size() : 0;
}

}  // namespace

const RegistryRule* find_rule(const std::vector<RegistryRule>& rules, const std::string& domain,
                              const std::string& path) {
    const RegistryRule* best = nullptr;
    std::size_t most = 0;
    for (const RegistryRule& rule : rules) {
        const std::size_t length = covered(rule.prefix, domain, path);
        const bool better =
            length > most || (length == most && best != nullptr && best->prefix.starts_with('*'));
        if (length == 0 || !better) continue;
        best = &rule;
        most = length;
    }
    return best;
}

std::pair<std::string, std::string> placed(const RegistryRule& rule, const std::string& location,
                                           const std::string& domain, const std::string& path) {
    if (location.empty()) return {domain, path};
    const std::string name = domain + "/" + path;
    const std::string there = location + name.substr(covered(rule.prefix, domain, path));
    const std::size_t slash = there.find('/');
    if (slash == std::string::npos) return {there, std::string()};
    return {there.substr(0, slash), there.substr(slash + 1)};
}

}  // namespace davit::image
