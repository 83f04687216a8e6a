#include "builder/run_mount.h"

#include <doctest/doctest.h>

namespace davit::builder {
namespace {

std::string mistake(const std::string& text) {
    const auto mount = parse_run_mount(text, nullptr);
    if (mount) return {};
    return mount.error().to_string() + " | " + mount.error().help();
}

}  // namespace

TEST_CASE("the options of a mount") {
    const auto cache =
        parse_run_mount("type=cache,target=/c,id=x,sharing=locked,mode=0750,uid=5,gid=6", nullptr);
    REQUIRE(cache.ok());
    CHECK(cache->type == RunMountType::Cache);
    CHECK(cache->target == "/c");
    CHECK(cache->id == "x");
    CHECK(cache->sharing == "locked");
    CHECK(cache->mode == 0750);
    CHECK(cache->uid == 5);
    CHECK(cache->gid == 6);
    CHECK_FALSE(cache->read_only);

    const auto bind = parse_run_mount("target=/src,source=a,from=other", nullptr);
    REQUIRE(bind.ok());
    CHECK(bind->type == RunMountType::Bind);
    CHECK(bind->read_only);
    CHECK(bind->from == "other");
    CHECK_FALSE(parse_run_mount("target=/src,rw", nullptr)->read_only);
    CHECK_FALSE(parse_run_mount("target=/src,ro=false", nullptr)->read_only);
    CHECK(parse_run_mount("type=cache,target=/a,readonly", nullptr)->read_only);

    const auto secret = parse_run_mount("type=secret,id=s,env=TOKEN,required", nullptr);
    REQUIRE(secret.ok());
    CHECK(secret->required);
    CHECK(secret->env == "TOKEN");
    CHECK(default_target(*secret, 0) == "/run/secrets/s");
    CHECK(parse_run_mount("type=tmpfs,target=/t,size=64m", nullptr)->size_bytes == 64 << 20);
}

TEST_CASE("variables in a mount wait for their values") {
    CHECK(mistake("type=cache,target=/c,uid=$UID,mode=${M}").empty());
    const ExpandOptions options{.lookup = [](const std::string& name) {
        return std::optional<std::string>(name == "UID" ? "7" : "0700");
    }};
    const auto mount = parse_run_mount("type=cache,target=/c,uid=$UID,mode=${M}", &options);
    REQUIRE(mount.ok());
    CHECK(mount->uid == 7);
    CHECK(mount->mode == 0700);
}

TEST_CASE("mistakes of a mount") {
    CHECK(mistake("type=bnd,target=/a") == "unknown type 'bnd' of a mount | the nearest is 'bind'");
    CHECK(mistake("tagret=/a") == "unknown option 'tagret' of a mount | the nearest is 'target'");
    CHECK(mistake("type=cache") == "a mount has no target | add target=/PATH");
    CHECK(mistake("type=cache,target=/a,sharing=all") ==
          "'all' is no way of sharing a cache | write sharing=shared, private or locked");
    CHECK(mistake("type=cache,target=/a,mode=9") ==
          "'mode' of a mount is '9', which is no octal number | write it like 0755");
    CHECK(mistake("type=secret") == "a secret has neither an id nor a target | add id=NAME");
    CHECK(mistake("target=/a,ro=maybe") ==
          "'ro' of a mount is 'maybe' | write true or false, or leave the value away");
    CHECK(mistake("target=/a,from=$X") ==
          "'from' of a mount can't hold a variable | make a stage with FROM and the variable, and "
          "name that stage");
}

}  // namespace davit::builder
