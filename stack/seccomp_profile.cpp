#include "stack/seccomp_profile.h"

#include "base/strings.h"
#include "runtime/capabilities.h"

#include <algorithm>
#include <fmt/format.h>
#include <sys/utsname.h>

namespace davit::stack {
namespace {

/// "4.8" against this kernel.
bool is_older(const ProfileFacts& facts, const std::string& wanted) {
    const std::vector<std::string> parts = split(wanted, '.');
    const auto major = parse_integer(parts.front());
    const auto minor = parse_integer(parts.size() > 1 ? parts[1] : std::string("0"));
    if (!major || !minor) return false;
    return facts.kernel_major < *major ||
           (facts.kernel_major == *major && facts.kernel_minor < *minor);
}

std::vector<std::string> texts_of(const Json& owner, const char* key) {
    const auto found = owner.find(key);
    if (found == owner.end() || found->is_null()) return {};
    return found->get<std::vector<std::string>>();
}

bool has_capability(const ProfileFacts& facts, const std::string& name) {
    const Result<std::uint64_t> mask = runtime::capability_mask({name});
    return mask && (facts.capabilities & *mask) != 0;
}

bool contains(const std::vector<std::string>& list, const std::string& word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

/// Whether a rule applies: all that it includes, and nothing that it excludes.
bool applies(const Json& rule, const ProfileFacts& facts) {
    const auto part = [&](const char* key) {
        const auto found = rule.find(key);
        return found != rule.end() && found->is_object() ? *found : Json::object();
    };
    const Json excludes = part("excludes");
    if (contains(texts_of(excludes, "arches"), facts.architecture)) return false;
    for (const std::string& name : texts_of(excludes, "caps"))
        if (has_capability(facts, name)) return false;
    if (const std::string kernel = string_or(excludes, "minKernel");
        !kernel.empty() && !is_older(facts, kernel))
        return false;
    const Json includes = part("includes");
    const std::vector<std::string> arches = texts_of(includes, "arches");
    if (!arches.empty() && !contains(arches, facts.architecture)) return false;
    for (const std::string& name : texts_of(includes, "caps"))
        if (!has_capability(facts, name)) return false;
    const std::string kernel = string_or(includes, "minKernel");
    return kernel.empty() || !is_older(facts, kernel);
}

Json names_of(const Json& rule) {
    const auto names = rule.find("names");
    if (names != rule.end() && names->is_array() && !names->empty()) return *names;
    return Json::array({rule.at("name").get<std::string>()});
}

Json architectures_of(const Json& profile, const ProfileFacts& facts) {
    if (const auto list = profile.find("architectures"); list != profile.end() && !list->empty())
        return *list;
    const auto map = profile.find("archMap");
    if (map == profile.end()) return Json::array();
    const char* own = facts.architecture == "arm64" ? "SCMP_ARCH_AARCH64" : "SCMP_ARCH_X86_64";
    Json found = Json::array();
    for (const Json& entry : *map) {
        if (string_or(entry, "architecture") != own) continue;
        found.push_back(own);
        for (const std::string& more : texts_of(entry, "subArchitectures")) found.push_back(more);
    }
    return found;
}

Json convert(const Json& profile, const ProfileFacts& facts) {
    Json filter = {{"defaultAction", profile.at("defaultAction").get<std::string>()}};
    if (const auto number = profile.find("defaultErrnoRet"); number != profile.end())
        filter["defaultErrnoRet"] = *number;
    if (Json architectures = architectures_of(profile, facts); !architectures.empty())
        filter["architectures"] = std::move(architectures);
    if (const auto flags = profile.find("flags"); flags != profile.end()) filter["flags"] = *flags;
    Json rules = Json::array();
    const Json given = profile.value("syscalls", Json::array());
    for (const Json& rule : given) {
        if (!applies(rule, facts)) continue;
        Json converted = {{"names", names_of(rule)},
                          {"action", rule.at("action").get<std::string>()}};
        for (const char* key : {"errnoRet", "args"})
            if (const auto value = rule.find(key); value != rule.end() && !value->is_null())
                converted[key] = *value;
        rules.push_back(std::move(converted));
    }
    filter["syscalls"] = std::move(rules);
    return filter;
}

}  // namespace

ProfileFacts profile_facts(std::uint64_t capabilities) {
    ProfileFacts facts;
    facts.capabilities = capabilities;
#if defined(__aarch64__)
    facts.architecture = "arm64";
#else
    facts.architecture = "amd64";
#endif
    utsname names{};
    if (::uname(&names) == -1) return facts;
    const std::vector<std::string> parts = split(names.release, '.');
    facts.kernel_major = static_cast<int>(parse_integer(parts.front()).value_or(0));
    if (parts.size() > 1)
        facts.kernel_minor = static_cast<int>(parse_integer(parts[1]).value_or(0));
    return facts;
}

Result<Json> oci_seccomp(const std::string& profile, const ProfileFacts& facts) {
    const Json json = TRY(parse_json(profile, "the seccomp profile"));
    return decode_json(json, "the seccomp profile",
                       [&](const Json& from) { return convert(from, facts); });
}

}  // namespace davit::stack
