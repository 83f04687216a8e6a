#include "image/registry_rules.h"

#include "tests/image/pull_world.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>
#include <unistd.h>

using namespace davit;
using namespace davit::image;
using davit::testing::check_whole;
using davit::testing::kBig;
using davit::testing::kLower;
using davit::testing::kUpper;
using davit::testing::World;

// What registries.conf says.

namespace {

RegistryRule rule(const char* prefix, const char* location = "") {
    RegistryRule made;
    made.prefix = prefix;
    made.location = location;
    made.source = "registries.conf";
    return made;
}

/// "host path" of where the image is, by the rule that is about it.
std::string place_of(const std::vector<RegistryRule>& rules, const char* domain, const char* path) {
    const RegistryRule* const found = find_rule(rules, domain, path);
    if (found == nullptr) return "no rule";
    const auto [host, repository] = placed(*found, found->location, domain, path);
    return host + " " + repository;
}

}  // namespace

TEST_CASE("the longest prefix decides where an image is") {
    const std::vector<RegistryRule> rules = {
        rule("docker.io", "hub.example.com/cache"),
        rule("docker.io/library/nginx", "web.example.com/n"), rule("quay.io/org"),
        rule("*.example.org", "all.example.com/org"), rule("a.example.org")};
    CHECK(place_of(rules, "docker.io", "library/redis") == "hub.example.com cache/library/redis");
    CHECK(place_of(rules, "docker.io", "library/nginx") == "web.example.com n");
    CHECK(place_of(rules, "docker.io", "library/nginx-extra") ==
          "hub.example.com cache/library/nginx-extra");
    CHECK(place_of(rules, "quay.io", "org/app") == "quay.io org/app");
    CHECK(place_of(rules, "quay.io", "organ/app") == "no rule");
    CHECK(place_of(rules, "b.c.example.org", "x") == "all.example.com org/x");
    CHECK(place_of(rules, "a.example.org", "x") == "a.example.org x");
    CHECK(place_of(rules, "example.org", "x") == "no rule");
    CHECK(place_of(rules, "docker.io.evil.com", "x") == "no rule");
}

TEST_CASE("mirrors of registries.conf are asked under the names that they have there") {
    NEEDS_ROOT();
    World w;
    World mirror;
    w.manifest(w.image({kLower, kUpper}), "1");
    RegistryRule made = rule(w.host().c_str());
    made.mirrors = {{.location = mirror.host() + "/cache", .insecure = true}};
    SUBCASE("the mirror has it") {
        mirror.manifest(mirror.image({kLower, kUpper}), "1");
        w.settings.rules = {made};
        REQUIRE(w.pull()->host == mirror.host());
        CHECK(w.log().empty());
        CHECK(mirror.asked("/v2/cache/app/manifests/1") == 1);
        CHECK(mirror.asked("/v2/cache/app/" + kBig) == 1);
    }
    SUBCASE("it may not say what a tag means") {
        mirror.manifest(mirror.image({kLower, kUpper}), "1");
        made.mirrors[0].tags = false;
        w.settings.rules = {made};
        REQUIRE(w.pull()->host == w.host());
        CHECK(mirror.asked("manifests") == 0);
    }
    SUBCASE("davit's own file goes before") {
        w.settings.rules = {made};
        w.settings.hosts[w.host()] = {};
        REQUIRE(w.pull()->host == w.host());
        CHECK(mirror.log().empty());
    }
    check_whole(w);
}

TEST_CASE("an image comes from the location that stands for its prefix") {
    NEEDS_ROOT();
    World w;
    w.manifest(w.image({kLower, kUpper}), "1");
    const std::string location = w.host() + "/deep/down";
    w.settings.rules = {rule("registry.example.com/team", location.c_str())};
    const auto pulled =
        image::pull(w.store, w.settings, {"registry.example.com/team/app:1", ""}, {});
    REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
    CHECK(w.asked("/v2/deep/down/app/manifests/1") == 1);
    CHECK(w.store.find("registry.example.com/team/app:1").ok());
}

TEST_CASE("a blocked registry is not spoken to") {
    World w;
    RegistryRule made = rule((w.host() + "/app").c_str());
    made.blocked = true;
    w.settings.rules = {made};
    const auto refused = w.pull();
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().kind() == ErrorKind::PermissionDenied);
    CHECK(refused.error().to_string().find("/app' is blocked by registries.conf") !=
          std::string::npos);
    CHECK(w.log().empty());
}
