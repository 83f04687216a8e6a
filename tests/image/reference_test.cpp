#include "image/reference.h"

#include "image/changes.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::image;

TEST_CASE("names are read as Docker reads them") {
    struct Case {
        const char* text;
        const char* canonical;  ///< Null: refused.
        const char* repository;
    };
    const std::string digest = "sha256:" + std::string(64, 'a');
    const std::string with_digest = "nginx@" + digest;
    const std::string with_digest_full = "docker.io/library/nginx@" + digest;
    const Case cases[] = {{"nginx", "docker.io/library/nginx:latest", "nginx"},
                          {"nginx:1.21.3", "docker.io/library/nginx:1.21.3", "nginx"},
                          {"local/app", "docker.io/local/app:latest", "local/app"},
                          {"ghcr.io/a/b:1", "ghcr.io/a/b:1", "ghcr.io/a/b"},
                          {"localhost/x", "localhost/x:latest", "localhost/x"},
                          {"localhost:5000/x/y:z", "localhost:5000/x/y:z", "localhost:5000/x/y"},
                          {"docker.io/nginx", "docker.io/library/nginx:latest", "nginx"},
                          {with_digest.c_str(), with_digest_full.c_str(), "nginx"},
                          {"a__b/c--d.e", "docker.io/a__b/c--d.e:latest", "a__b/c--d.e"},
                          {"", nullptr, ""},
                          {"Nginx", nullptr, ""},
                          {"a/../b", nullptr, ""},
                          {"a//b", nullptr, ""},
                          {"nginx:", nullptr, ""},
                          {"nginx:-x", nullptr, ""},
                          {"nginx@sha256:12", nullptr, ""},
                          {"-nginx", nullptr, ""},
                          {"a b", nullptr, ""}};
    for (const Case& c : cases) {
        CAPTURE(c.text);
        const auto parsed = parse_reference(c.text);
        REQUIRE(parsed.ok() == (c.canonical != nullptr));
        if (!parsed) continue;
        CHECK(canonical(*parsed) == c.canonical);
        CHECK(familiar_repository(*parsed) == c.repository);
        CHECK(*parse_reference(canonical(*parsed)) == *parsed);
    }
}

TEST_CASE("changes of an import are Dockerfile instructions") {
    const auto config = apply_changes(
        Json::object(), {"CMD [\"nginx\", \"-g\"]", "entrypoint run it", "ENV A=1 B=\"two words\"",
                         "ENV A three", "EXPOSE 80 53/udp", "WORKDIR /srv", "USER app",
                         "VOLUME /a /b", "LABEL k=v", "STOPSIGNAL SIGQUIT"});
    REQUIRE(config.ok());
    CHECK((*config)["Cmd"].dump() == R"(["nginx","-g"])");
    CHECK((*config)["Entrypoint"].dump() == R"(["/bin/sh","-c","run it"])");
    CHECK((*config)["Env"].dump() == R"(["A=three","B=two words"])");
    CHECK((*config)["ExposedPorts"].dump() == R"({"80/tcp":{},"53/udp":{}})");
    CHECK((*config)["WorkingDir"] == "/srv");
    CHECK((*config)["Volumes"].dump() == R"({"/a":{},"/b":{}})");
    CHECK((*config)["StopSignal"] == "SIGQUIT");
    for (const char* bad : {"RUN x", "CMD", "CMD [1]", "CMD [\"a\"", "EXPOSE 0", "EXPOSE http",
                            "ENV A", "LABEL =x", "ENV A=\"open"}) {
        CAPTURE(bad);
        const auto refused = apply_changes(Json::object(), {bad});
        REQUIRE_FALSE(refused.ok());
        CHECK(refused.error().to_string().find(bad) != std::string::npos);
    }
}
