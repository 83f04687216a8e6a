#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/text.h"
#include "tests/system/network_services.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

using namespace davit;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::http_get;
using davit::testing::Outcome;
using davit::testing::said;
using davit::testing::Sandbox;
using davit::testing::server;

// Rules and ports over time: flushed, ended, relayed; and networks by command.

namespace {

/// Of the table that is made anew; the fence has rules like these all the time.
std::string rules() {
    return davit::testing::run({.argv = {"nft", "list", "table", "inet", "davit"}}).out;
}

bool flush() { return davit::testing::run({.argv = {"nft", "flush", "ruleset"}}).status == 0; }

}  // namespace

TEST_CASE("rules that somebody has flushed come back by themselves [ns]") {
    const Sandbox box("dt-heal");
    box.load_busybox();
    box.compose("services:\n" + server("web", "    ports: [\"18191:80\"]\n") +
                server("other", "    networks: [apart]\n") + "networks: {apart: {}}\n");
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    CHECK(contains(rules(), "18191"));
    for (int round = 0; round < 3; ++round) {
        CAPTURE(round);
        REQUIRE(flush());
        CHECK(eventually([] { return contains(rules(), "18191"); }));
        CHECK(contains(rules(), "oifname @br drop"));
        CHECK(contains(http_get("127.0.0.1", 18191), "I am web"));
    }
    // The table stays, without what it says: just as bad.
    REQUIRE(davit::testing::run({.argv = {"nft", "flush", "chain", "inet", "davit", "forward"}})
                .status == 0);
    CHECK(eventually([] { return contains(rules(), "oifname @br drop"); }));
    box.davit_ok({"down"});
    CHECK(box.world() == before);
}

TEST_CASE("the ports of a container that ends by itself leave the rules at once [ns]") {
    const Sandbox box("dt-end");
    box.load_busybox();
    box.compose(
        "services:\n"
        "  brief:\n    image: local/busybox:1\n    ports: [\"18192:80\"]\n"
        "    command: sh -c 'while ! test -e /stop; do sleep 0.1; done'\n" +
        server("web", "    ports: [\"18193:80\"]\n"));
    box.davit_ok({"up", "-d"});
    CHECK(contains(rules(), "18192"));
    // The container may have ended before touch has.
    (void)box.davit({"exec", "-T", "brief", "touch", "/stop"});
    CHECK(eventually([] { return !contains(rules(), "18192"); }));
    CHECK(contains(rules(), "18193"));
    box.davit_ok({"down"});
}

TEST_CASE("published ports that the guard relays [ns]") {
    const Sandbox box("dt-relay");
    box.load_busybox();
    box.compose("services:\n" +
                server("web", "    ports: [\"18194:80\"]\n    x-davit: {publish: relay}\n") +
                server("other", "    ports: [\"18195:80\"]\n"));
    box.davit_ok({"up", "-d"});
    CHECK_FALSE(contains(rules(), "18194"));
    CHECK(contains(rules(), "18195"));
    CHECK(eventually([] { return contains(http_get("127.0.0.1", 18194), "I am web"); }));
    box.davit_ok({"down"});
}

TEST_CASE("networks by command [ns]") {
    const Sandbox box("dt-netcmd");
    box.load_busybox();
    const std::string before = box.world();
    const std::string id(
        trim(box.davit_ok({"network", "create", "--subnet", "10.81.0.0/24", "--gateway",
                           "10.81.0.254", "--label", "a=b", "free"})));
    CHECK(id.size() == 64);
    CHECK(box.davit_ok({"network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}"}) ==
          "free bridge local\n");
    CHECK(box.davit_ok({"network", "ls"}).starts_with("NETWORK ID"));
    CHECK(box.davit_ok({"network", "ls", "-q"}) == id.substr(0, 12) + "\n");
    const Json free = *parse_json(box.davit_ok({"network", "inspect", "free"}), "inspect");
    CHECK(free[0]["Id"] == id);
    CHECK(free[0]["IPAM"]["Config"][0]["Subnet"] == "10.81.0.0/24");
    CHECK(free[0]["IPAM"]["Config"][0]["Gateway"] == "10.81.0.254");
    CHECK(free[0]["Labels"]["a"] == "b");
    CHECK(free[0]["Containers"].empty());
    CHECK(contains(box.davit({"network", "create", "free"}).err, "already exists"));
    CHECK(contains(box.davit({"network", "create", "--subnet", "10.81.0.128/25", "more"}).err,
                   "overlaps"));

    box.compose("services:\n" + server("web", "    networks: [out, own]\n") +
                "networks: {out: {external: true, name: free}, own: {}}\n");
    box.davit_ok({"up", "-d"});
    CHECK(contains(box.davit_ok({"network", "inspect", "-f", "{{json .Containers}}", "free"}),
                   "dt-netcmd-web-1"));
    const Outcome busy = box.davit({"network", "rm", "free"});
    CHECK(busy.status == 1);
    CHECK(contains(busy.err, "in use by 'dt-netcmd-web-1'"));
    CHECK(box.davit_ok({"network", "prune", "-f"}).empty());
    CHECK(contains(box.davit_ok({"network", "inspect", "dt-netcmd_own"}),
                   "\"com.docker.compose.project\": \"dt-netcmd\""));
    box.davit_ok({"down"});
    // The project's own network is gone; the other one is not the project's.
    CHECK(box.davit_ok({"network", "ls", "--format", "{{.Name}}"}) == "free\n");
    // After a reboot its bridge is gone: whoever joins it brings it up again.
    const std::string bridge(
        trim(davit::testing::run(
                 {.argv = {"sh", "-c", "ip -o link | grep -o 'dvb-[0-9a-f]*' | head -1"}})
                 .out));
    REQUIRE(davit::testing::run({.argv = {"ip", "link", "delete", bridge}}).status == 0);
    box.davit_ok({"up", "-d"});
    CHECK(contains(said(box, "web", "ip addr"), "10.81.0."));
    box.davit_ok({"down"});
    CHECK(box.davit_ok({"network", "prune", "-f"}) == "Deleted Networks:\nfree\n\n");
    const Outcome none = box.davit({"network", "rm", "free"});
    CHECK(none.status == 1);
    CHECK(contains(none.err, "network free not found"));
    CHECK(box.davit({"network", "rm", "-f", "free"}).status == 0);
    CHECK(box.world() == before);
}
