#include "cli/port_reach.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace davit;
using davit::cli::port_reach;

namespace {

stack::ContainerRecord web(std::vector<compose::Port> ports) {
    stack::ContainerRecord record;
    record.service = "web";
    record.ports = std::move(ports);
    stack::Endpoint endpoint;
    endpoint.host_link = "dvv-1";
    record.endpoints = {endpoint};
    return record;
}

}  // namespace

TEST_CASE("where a published port is reachable") {
    struct Case {
        compose::Port port;
        const char* line;
    };
    const Case cases[] = {
        {{"", 8080, 80, "tcp"},
         "web 8080/tcp: http://localhost:8080, from this host and other machines"},
        {{"0.0.0.0", 9, 443, "tcp"},
         "web 9/tcp: https://localhost:9, from this host and other machines"},
        {{"::", 9, 53, "udp"}, "web 9/udp: from this host and other machines"},
        {{"127.0.0.1", 5432, 5432, "tcp"}, "web 5432/tcp: from this host alone"},
        {{"::1", 81, 80, "tcp"}, "web 81/tcp: http://localhost:81, from this host alone"},
        {{"192.0.2.1", 81, 80, "tcp"},
         "web 81/tcp: http://192.0.2.1:81, at 192.0.2.1, from this host and other machines"},
        {{"2001:db8::1", 81, 8443, "tcp"},
         "web 81/tcp: https://[2001:db8::1]:81, at 2001:db8::1, from this host and other machines"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.line);
        CHECK(port_reach(web({c.port})) == std::vector<std::string>{c.line});
    }
}

TEST_CASE("ports that follow each other share a line") {
    std::vector<compose::Port> ports;
    for (const int offset : {2, 0, 1, 5})
        ports.push_back({"", static_cast<std::uint16_t>(9000 + offset),
                         static_cast<std::uint16_t>(100 + offset), "tcp"});
    CHECK(fmt::format("{}", fmt::join(port_reach(web(ports)), "\n")) ==
          "web 9000-9002/tcp: from this host and other machines\n"
          "web 9005/tcp: from this host and other machines");
}

TEST_CASE("what is not published is said, and nothing of containers without a network") {
    stack::ContainerRecord record = web({{"", 8080, 80, "tcp"}});
    record.number = 2;
    CHECK(port_reach(record).front().starts_with("web-2 8080/tcp"));
    record.endpoints[0].internal = true;
    REQUIRE(port_reach(record).size() == 1);
    CHECK(port_reach(record)[0].find("not published") != std::string::npos);
    record.endpoints.clear();
    CHECK(port_reach(record).empty());
    CHECK(port_reach(web({})).empty());
}
