#include "network/foreign_rules.h"

#include <algorithm>
#include <set>

namespace davit::network {
namespace {

constexpr const char* kOurs = "davit";
constexpr const char* kOurBridges = "dvb-";

/// "ip filter"
std::string table_of(const Json& object) {
    return string_or(object, "family") + " " + string_or(object, "table");
}

bool is_ours(const Json& object) { return string_or(object, "table").starts_with(kOurs); }

/// The object of that kind in one entry of the list, or null.
const Json* find(const Json& entry, const char* kind) {
    const auto found = entry.find(kind);
    return found != entry.end() && found->is_object() ? &*found : nullptr;
}

/// Whether the rule drops or refuses every packet.
bool drops_all(const Json& rule) {
    const auto expressions = rule.find("expr");
    if (expressions == rule.end() || !expressions->is_array()) return false;
    bool drops = false;
    for (const Json& expression : *expressions) {
        if (expression.contains("counter") || expression.contains("log")) continue;
        drops = expression.contains("drop") || expression.contains("reject");
        if (!drops) return false;
    }
    return drops;
}

/// What the rules of all tables say that matters here.
struct Seen {
    std::set<std::string> names_us = {};    ///< Tables.
    std::set<std::string> docker = {};      ///< Tables.
    std::set<std::string> ends_badly = {};  ///< Chains, whose last rule drops all.
};

Seen look_at(const Json& list) {
    Seen seen;
    for (const Json& entry : list) {
        if (const Json* chain = find(entry, "chain"); chain != nullptr) {
            if (string_or(*chain, "name") == "DOCKER-USER") seen.docker.insert(table_of(*chain));
        }
        const Json* rule = find(entry, "rule");
        if (rule == nullptr) continue;
        const std::string chain = table_of(*rule) + " " + string_or(*rule, "chain");
        seen.ends_badly.erase(chain);
        if (drops_all(*rule)) seen.ends_badly.insert(chain);
        if (rule->dump(-1, ' ', false, Json::error_handler_t::replace).find(kOurBridges) !=
            std::string::npos)
            seen.names_us.insert(table_of(*rule));
    }
    return seen;
}

}  // namespace

Result<std::vector<DroppingChain>> dropping_chains(const Json& ruleset) {
    const auto list = ruleset.find("nftables");
    if (list == ruleset.end() || !list->is_array())
        return Error(ErrorKind::InvalidInput, "the list of rules has no 'nftables'");
    const Seen seen = look_at(*list);
    std::vector<DroppingChain> chains;
    for (const Json& entry : *list) {
        const Json* chain = find(entry, "chain");
        if (chain == nullptr || is_ours(*chain)) continue;
        const std::string hook = string_or(*chain, "hook");
        if (string_or(*chain, "type") != "filter" || (hook != "forward" && hook != "input"))
            continue;
        const std::string table = table_of(*chain);
        const std::string name = string_or(*chain, "name");
        if (string_or(*chain, "policy") != "drop" && !seen.ends_badly.contains(table + " " + name))
            continue;
        chains.push_back({string_or(*chain, "family"), string_or(*chain, "table"), name, hook,
                          seen.names_us.contains(table), seen.docker.contains(table)});
    }
    return chains;
}

}  // namespace davit::network
