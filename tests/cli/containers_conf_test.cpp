#include "cli/containers_conf.h"

#include "base/file.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::cli;
using davit::testing::TempDir;
using image::MirrorRule;
using image::RegistryRule;

namespace {

Result<std::vector<RegistryRule>> read(const TempDir& dir, const std::string& text) {
    REQUIRE(write_in_place(dir / "registries.conf", text, 0644).ok());
    return read_containers_conf(dir / "registries.conf");
}

}  // namespace

TEST_CASE("registries.conf says where images come from") {
    const TempDir dir;
    const auto rules = read(dir, R"(unqualified-search-registries = ["quay.io", "docker.io"]
short-name-mode = "enforcing"

[[registry]]
location = "docker.io"
mirror-by-digest-only = true
[[registry.mirror]]
location = "mirror.example.com/hub"

[[registry]]
prefix = "*.example.org"
location = "internal.example.com/org"
insecure = true
[[registry.mirror]]
location = "localhost:5000"
insecure = true
pull-from-mirror = "tag-only"

[[registry]]
prefix = "evil.example.com"
blocked = true

[aliases]
"box" = "quay.io/busybox"
)");
    REQUIRE_MESSAGE(rules.ok(), rules.error().to_string());
    const std::string source = dir / "registries.conf";
    const std::vector<RegistryRule> expected = {
        {.prefix = "docker.io",
         .location = "docker.io",
         .mirrors = {{.location = "mirror.example.com/hub", .tags = false}},
         .source = source},
        {.prefix = "*.example.org",
         .location = "internal.example.com/org",
         .insecure = true,
         .mirrors = {{.location = "localhost:5000", .insecure = true, .digests = false}},
         .source = source},
        {.prefix = "evil.example.com", .blocked = true, .source = source}};
    CHECK(*rules == expected);
    CHECK(read_containers_conf(dir / "missing.conf")->empty());
}

TEST_CASE("mistakes in registries.conf are told with their place") {
    const TempDir dir;
    struct Case {
        const char* text;
        const char* message;
        const char* place;
    };
    const Case cases[] = {
        {"[[registry]]\nlocation = 5\n", "'location' must be a text", "registries.conf:2:12"},
        {"[[registry]]\nlocation = \"x\"\ninsecure = \"yes\"\n", "'insecure' must be true or false",
         "registries.conf:3:12"},
        {"[registry]\nlocation = \"x\"\n", "write [[registry]], not [registry]",
         "registries.conf:1:1"},
        {"[[registry]]\ninsecure = true\n", "neither 'prefix' nor 'location'",
         "registries.conf:1:1"},
        {"[[registry]]\nlocation = \"x\"\n[[registry.mirror]]\ninsecure = true\n",
         "a mirror has no 'location'", "registries.conf:3:1"},
        {"[[registry]]\nlocation = \"x\"\n[[registry.mirror]]\nlocation = \"y\"\n"
         "pull-from-mirror = \"never\"\n",
         "'pull-from-mirror' is 'never'", "registries.conf:3:1"},
        {"[registries.block]\nregistries = [\"x\"]\n", "version 1", "registries.conf:1:"},
        {"[[registry]\n", "", "registries.conf:1:"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        const auto rules = read(dir, c.text);
        REQUIRE_FALSE(rules.ok());
        CHECK_MESSAGE(rules.error().to_string().find(c.message) != std::string::npos,
                      rules.error().to_string());
        const std::string place = to_string(rules.error().where());
        CHECK_MESSAGE(place.find(c.place) != std::string::npos, place);
    }
}
