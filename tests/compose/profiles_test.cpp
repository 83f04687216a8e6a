#include "tests/compose/shown.h"

#include <fmt/format.h>

// @source Compose spec 15-profiles.md; compose-go types/project.go
namespace davit::compose {
namespace {

using testing::show_files;
using testing::Shown;

/// The services that take part, or what is wrong.
std::string services_of(const Shown& shown) {
    if (!shown.result) return shown.remarks;
    std::string names;
    for (const Node& service : shown.model().find("services")->items)
        names += (names.empty() ? "" : " ") + service.key;
    return names;
}

}  // namespace

TEST_CASE("profiles and named services decide who takes part") {
    const std::string text =
        "services:\n"
        "  a: {image: x}\n"
        "  b: {image: x, profiles: [p]}\n"
        "  c: {image: x, profiles: [q, r], depends_on: [b]}\n"
        "  d: {image: x, depends_on: {b: {condition: service_started, required: false}}}\n"
        "  e: {image: x, profiles: []}\n"
        "  f: {image: x, profiles: [s], depends_on: [g]}\n"
        "  g: {image: x, profiles: [s]}\n";
    const char* off =
        "compose.yaml:4:48: service 'c' depends on 'b', whose profile is not active\n";
    struct Case {
        std::vector<std::string> flags;
        const char* variable;
        std::vector<std::string> services;
        const char* expected;
    };
    const Case cases[] = {
        {{}, "", {}, "a d e"},
        {{"p"}, "", {}, "a b d e"},
        {{"q"}, "", {}, off},
        {{"q", "p"}, "", {}, "a b c d e"},
        {{"r", "p"}, "", {}, "a b c d e"},
        {{"*"}, "", {}, "a b c d e f g"},
        {{"nobody"}, "", {}, "a d e"},
        {{}, "p", {}, "a b d e"},
        {{}, "p,q", {}, "a b c d e"},
        {{}, " p , r ", {}, "a b c d e"},
        {{}, "*", {}, "a b c d e f g"},
        {{"s"}, "p", {}, "a d e f g"},
        {{}, "", {"a"}, "a"},
        {{}, "", {"b"}, "b"},
        {{}, "", {"c"}, off},
        {{"p"}, "", {"c"}, "b c"},
        {{}, "", {"d"}, "d"},
        {{"p"}, "", {"d"}, "b d"},
        {{}, "", {"f"}, "f g"},
        {{}, "", {"a", "b"}, "a b"},
        {{}, "", {"zz"}, "there is no service 'zz'\n"},
    };
    for (const Case& c : cases) {
        CAPTURE(fmt::format("{} / {} / {}", fmt::join(c.flags, ","), c.variable,
                            fmt::join(c.services, ",")));
        const Shown shown = show_files({{"compose.yaml", text}}, [&](LoadOptions& options) {
            options.profiles = c.flags;
            options.services = c.services;
            if (*c.variable != '\0') options.environment["COMPOSE_PROFILES"] = c.variable;
        });
        CHECK(services_of(shown) == c.expected);
    }
}

TEST_CASE("active profiles may be named in the env file") {
    const std::map<std::string, std::string> files = {
        {"compose.yaml", "services: {a: {image: x}, b: {image: x, profiles: [p]}}\n"},
        {".env", "COMPOSE_PROFILES=p\n"}};
    CHECK(services_of(show_files(files)) == "a b");
    CHECK(services_of(show_files(files, [](LoadOptions& options) {
              options.environment["COMPOSE_PROFILES"] = "q";
          })) == "a");
    CHECK(services_of(show_files(files, [](LoadOptions& options) { options.profiles = {"q"}; })) ==
          "a");
}

TEST_CASE("all names and profiles are known whoever takes part") {
    const Shown shown = show_files({{"compose.yaml",
                                     "services:\n"
                                     "  a: {image: x, profiles: [q, p]}\n"
                                     "  b: {image: x, profiles: [p]}\n"
                                     "  c: {image: x}\n"}});
    REQUIRE(shown.result.has_value());
    CHECK(shown.result->service_names == std::vector<std::string>{"a", "b", "c"});
    CHECK(shown.result->profiles == std::vector<std::string>{"p", "q"});
}

TEST_CASE("profiles of several files add up") {
    const std::map<std::string, std::string> files = {
        {"compose.yaml", "services: {a: {image: x, profiles: [p]}, z: {image: x}}\n"},
        {"compose.override.yaml", "services: {a: {profiles: [q]}, z: {profiles: [q]}}\n"}};
    CHECK(services_of(show_files(files)) == "");
    CHECK(services_of(show_files(files, [](LoadOptions& options) { options.profiles = {"p"}; })) ==
          "a");
    CHECK(services_of(show_files(files, [](LoadOptions& options) { options.profiles = {"q"}; })) ==
          "a z");
}

TEST_CASE("a service that is off needs neither image nor files nor networks") {
    const std::map<std::string, std::string> files = {{"compose.yaml",
                                                       "services:\n"
                                                       "  a: {image: x}\n"
                                                       "  off:\n"
                                                       "    profiles: [p]\n"
                                                       "    env_file: none.env\n"
                                                       "    label_file: none.labels\n"
                                                       "    volumes: [\"none:/x\"]\n"
                                                       "    networks: [none]\n"
                                                       "    depends_on: [nobody]\n"}};
    const Shown shown = show_files(files);
    CHECK(shown.remarks == "");
    CHECK(services_of(shown) == "a");
    CHECK(!show_files(files, [](LoadOptions& options) { options.profiles = {"p"}; }).result);
}

TEST_CASE("the keys and variables of a service that is off are read") {
    const Shown shown = show_files({{"compose.yaml",
                                     "services:\n"
                                     "  a: {image: x}\n"
                                     "  off:\n"
                                     "    profiles: [p]\n"
                                     "    imge: x\n"
                                     "    hostname: ${NAME:?is needed}\n"
                                     "    user: [a]\n"}});
    CHECK(shown.remarks ==
          "compose.yaml:5:5: unknown key 'imge' in service 'off'\n"
          "compose.yaml:6:15: the required variable 'NAME' is not set: is needed\n"
          "compose.yaml:7:5: 'services.off.user' must be a string, found a list\n");
}

TEST_CASE("what only a service uses that is off is no part of the project") {
    const std::string text =
        "services:\n"
        "  a: {image: x}\n"
        "  off: {image: x, profiles: [p], networks: [n], volumes: [\"data:/d\"], secrets: [s]}\n"
        "networks: {n: {}}\n"
        "volumes: {data: {}}\n"
        "secrets: {s: {file: ./s}}\n";
    const Shown without = show_files({{"compose.yaml", text}});
    CHECK(without.at("networks") == "{default: {name: shop_default}}");
    CHECK(without.at("volumes") == "absent");
    CHECK(without.at("secrets") == "absent");
    const Shown with = show_files({{"compose.yaml", text}},
                                  [](LoadOptions& options) { options.profiles = {"*"}; });
    CHECK(with.at("networks.n.name") == "shop_n");
    CHECK(with.at("volumes") == "{data: {name: shop_data}}");
    CHECK(with.at("secrets") == "{s: {file: ./s, name: shop_s}}");
    const Shown all = show_files({{"compose.yaml", text}},
                                 [](LoadOptions& options) { options.all_resources = true; });
    CHECK(all.at("volumes") == "{data: {name: shop_data}}");
    CHECK(all.at("networks.n.name") == "shop_n");
}

TEST_CASE("a service named on the command line brings its profiles with it") {
    const testing::ScratchFolder folder;
    folder.write("compose.yaml",
                 "services:\n"
                 "  web: {image: x}\n"
                 "  debug: {image: x, profiles: [tools]}\n"
                 "  shell: {image: x, profiles: [tools]}\n"
                 "  load: {image: x, profiles: [bench]}\n");
    LoadOptions options = folder.options();
    Diagnostics diagnostics;
    const auto usual = load_project(options, diagnostics);
    REQUIRE(usual);
    CHECK(usual->project.services.size() == 1);
    CHECK(usual->project.inactive == std::vector<std::string>{"debug", "load", "shell"});
    options.activate = {"debug"};
    const auto named = load_project(options, diagnostics);
    REQUIRE(named);
    CHECK(named->project.services.contains("debug"));
    CHECK(named->project.services.contains("shell"));
    CHECK(named->project.inactive == std::vector<std::string>{"load"});
}

}  // namespace davit::compose
