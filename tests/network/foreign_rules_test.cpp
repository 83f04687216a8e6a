#include "network/foreign_rules.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace davit;
using namespace davit::network;

namespace {

std::vector<DroppingChain> chains_of(const std::string& objects) {
    const Json ruleset = *parse_json("{\"nftables\": [" + objects + "]}", "test");
    const auto chains = dropping_chains(ruleset);
    REQUIRE(chains.ok());
    return *chains;
}

std::string base(const char* family, const char* table, const char* name, const char* hook,
                 const char* policy) {
    return fmt::format(R"({{"chain": {{"family": "{}", "table": "{}", "name": "{}",)"
                       R"("type": "filter", "hook": "{}", "prio": 0, "policy": "{}"}}}})",
                       family, table, name, hook, policy);
}

std::string rule(const char* family, const char* table, const char* chain, const char* expr) {
    return fmt::format(
        R"({{"rule": {{"family": "{}", "table": "{}", "chain": "{}", "expr": [{}]}}}})", family,
        table, chain, expr);
}

constexpr const char* kAboutUs =
    R"({"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "dvb-*"}},)"
    R"({"accept": null})";

}  // namespace

TEST_CASE("chains that accept are nobody's trouble") {
    CHECK(chains_of(base("ip", "filter", "FORWARD", "forward", "accept")).empty());
    CHECK(chains_of(base("inet", "davit", "forward", "forward", "drop")).empty());
    CHECK(chains_of(base("inet", "davit_fence", "forward", "forward", "drop")).empty());
    CHECK(chains_of(base("ip", "filter", "OUTPUT", "output", "drop")).empty());
    CHECK_FALSE(dropping_chains(Json::object()).ok());
}

TEST_CASE("a policy that drops is found, with what is said about davit") {
    // As Docker and ufw leave it.
    const std::string docker = base("ip", "filter", "FORWARD", "forward", "drop") +
                               R"(,{"chain": {"family": "ip", "table": "filter",)"
                               R"("name": "DOCKER-USER"}})";
    const auto found = chains_of(docker);
    REQUIRE(found.size() == 1);
    CHECK(found[0] == DroppingChain{"ip", "filter", "FORWARD", "forward", false, true});
    CHECK(chains_of(docker + "," + rule("ip", "filter", "DOCKER-USER", kAboutUs))[0].names_us);
    // A rule of another table changes nothing there.
    CHECK_FALSE(chains_of(docker + "," + rule("inet", "mine", "fwd", kAboutUs))[0].names_us);
}

TEST_CASE("a last rule that refuses all is a policy") {
    // As firewalld has it.
    const std::string chain = base("inet", "firewalld", "filter_FORWARD", "forward", "accept");
    const char* const refuse = R"({"reject": {"type": "icmpx", "expr": "admin-prohibited"}})";
    const char* const invalid =
        R"({"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "invalid"}},)"
        R"({"drop": null})";
    CHECK(chains_of(chain + "," + rule("inet", "firewalld", "filter_FORWARD", invalid)).empty());
    const std::string last = chain + "," + rule("inet", "firewalld", "filter_FORWARD", refuse);
    REQUIRE(chains_of(last).size() == 1);
    CHECK(chains_of(last)[0].table == "firewalld");
    CHECK(chains_of(last + "," + rule("inet", "firewalld", "filter_FORWARD", R"({"accept": null})"))
              .empty());
}
