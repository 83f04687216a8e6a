#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/text.h"
#include "tests/system/machines.h"
#include "tests/system/network_services.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/mount.h>

using namespace davit;
using davit::testing::address;
using davit::testing::contains;
using davit::testing::fetch;
using davit::testing::fetches;
using davit::testing::Machine;
using davit::testing::Outcome;
using davit::testing::Responder;
using davit::testing::said;
using davit::testing::Sandbox;
using davit::testing::server;

// What the options of networks do.

TEST_CASE("options of a bridge do what they say [ns]") {
    const Sandbox box("dt-opts");
    box.load_busybox();
    box.compose("services:\n" +
                server("one",
                       "    networks:\n      apart: {}\n      plain:\n"
                       "        link_local_ips: [169.254.8.8]\n"
                       "        driver_opts: {com.docker.network.endpoint.sysctls: "
                       "\"net.ipv4.conf.IFNAME.log_martians=1\"}\n") +
                server("two", "    networks: [apart, plain]\n    ports: [\"18621:80\"]\n") +
                "networks:\n"
                "  apart:\n"
                "    attachable: true\n"
                "    labels: {who: tests}\n"
                "    driver_opts:\n"
                "      com.docker.network.bridge.name: dt-apart\n"
                "      com.docker.network.bridge.enable_icc: \"false\"\n"
                "      com.docker.network.container_iface_prefix: net\n"
                "  plain: {}\n");
    const Outcome up = box.davit({"up", "-d"});
    REQUIRE_MESSAGE(up.status == 0, up.err);
    CHECK_MESSAGE(contains(up.err, "attachable"), up.err);
    CHECK(davit::testing::run({.argv = {"ip", "link", "show", "dt-apart"}}).status == 0);
    const std::string links = said(box, "one", "ip -o addr");
    CHECK_MESSAGE(contains(links, "net0"), links);
    CHECK_MESSAGE(contains(links, "169.254.8.8"), links);
    CHECK(said(box, "one", "cat /proc/sys/net/ipv4/conf/eth0/log_martians") == "1\n");
    CHECK(contains(box.davit_ok({"network", "inspect", "dt-opts_apart"}), "\"who\": \"tests\""));
    // No container of `apart` reaches another one there; the host reaches both.
    const std::string apart = address(box, "two", "net0");
    REQUIRE_FALSE(apart.empty());
    CHECK(fetches(box, "one", address(box, "two", "eth0"), "I am two"));
    CHECK_FALSE(contains(said(box, "one", fetch(apart, 1)), "I am"));
    CHECK(contains(davit::testing::http_get(apart, 80), "I am two"));
    CHECK(contains(davit::testing::http_get("127.0.0.1", 18621), "I am two"));
    box.davit_ok({"down"});
    CHECK(davit::testing::run({.argv = {"ip", "link", "show", "dt-apart"}}).status != 0);
}

TEST_CASE("a network without masquerading shows its containers' own addresses [ns]") {
    const Sandbox box("dt-masq");
    box.load_busybox();
    const Machine host = Machine::here();
    const Machine other = Machine::alone();
    struct Cable {
        ~Cable() { (void)davit::testing::run({.argv = {"ip", "link", "delete", "wire0"}}); }
    } const cleaner;
    host.run("ip link add wire0 mtu 1400 type veth peer name eth0 netns " + other.path());
    host.run("ip addr add 192.0.2.1/24 dev wire0");
    host.run("ip link set wire0 up");
    // The way out of this host, whose MTU is everybody's.
    host.run("ip route add default via 192.0.2.9");
    for (const char* words : {"ip addr add 192.0.2.9/24 dev eth0", "ip link set eth0 up",
                              "ip route add default via 192.0.2.1"})
        other.run(words);
    Responder responder;
    responder.serve(other, "other", 80);
    box.compose("services:\n" + server("hidden", "") + server("shown", "    networks: [open]\n") +
                "networks:\n  open: {driver_opts: "
                "{com.docker.network.bridge.enable_ip_masquerade: \"false\"}}\n");
    box.davit_ok({"up", "-d"});
    CHECK(fetches(box, "hidden", "192.0.2.9", "other 80 192.0.2.1"));
    CHECK(fetches(box, "shown", "192.0.2.9", "other 80 " + address(box, "shown", "eth0")));
    CHECK(contains(said(box, "hidden", "ip link show eth0"), "mtu 1400"));
    box.davit_ok({"down"});
}

TEST_CASE("networks come from the host's pools and avoid its routes [ns]") {
    const Sandbox box("dt-pools");
    box.load_busybox();
    // /etc/davit of the host stays as it is: in this test's mount namespace there is another one.
    const bool was_there = exists("/etc/davit");
    REQUIRE(make_directories("/etc/davit", 0755).ok());
    struct Config {
        Config(const std::string& text, bool keep) : keep_(keep) {
            REQUIRE(::mount("davit", "/etc/davit", "tmpfs", 0, nullptr) == 0);
            REQUIRE(write_in_place("/etc/davit/config.yaml", text, 0644).ok());
        }
        ~Config() {
            ::umount2("/etc/davit", MNT_DETACH);
            if (!keep_) ::rmdir("/etc/davit");
        }
        bool keep_;
    } const config(
        "address_pools:\n  - {base: 10.86.0.0/16, size: 24}\n"
        "  - {base: \"fd86::/48\", size: 64}\n",
        was_there);
    // The host goes to the first of them some other way.
    const Machine host = Machine::here();
    host.run("ip route add blackhole 10.86.0.0/24");
    struct Route {
        ~Route() {
            (void)davit::testing::run(
                {.argv = {"ip", "route", "delete", "blackhole", "10.86.0.0/24"}});
        }
    } const route;
    box.compose("services:\n" + server("web", "    networks: [one, two]\n") +
                "networks: {one: {enable_ipv6: true}, two: {}}\n");
    box.davit_ok({"up", "-d"});
    const std::string links = said(box, "web", "ip -o addr");
    CHECK_MESSAGE(contains(links, "10.86.1."), links);
    CHECK_MESSAGE(contains(links, "10.86.2."), links);
    CHECK_MESSAGE(contains(links, "fd86:"), links);
    const std::string before = said(box, "web", "ip -o -4 addr");
    box.davit_ok({"restart", "-t", "0"});
    CHECK(address(box, "web", "eth0").starts_with("10.86."));
    CHECK(contains(before, address(box, "web", "eth0") + "/24"));
    // Doctor counts what is left: 256 less the route's and the two.
    const Outcome doctor = box.davit({"doctor"});
    CHECK_MESSAGE(contains(doctor.out, "253 of 256 networks"), doctor.out);
    box.davit_ok({"down"});
}

TEST_CASE("doctor tells what is amiss and ends with it [ns]") {
    const Sandbox box("dt-doctor");
    box.load_busybox();
    box.compose("services:\n" + server("web", "    ports: [\"18622:80\"]\n"));
    box.davit_ok({"up", "-d"});
    const auto finding = [](const Outcome& outcome, const std::string& subject) {
        const Json all = *parse_json(outcome.out, "doctor");
        for (const Json& one : all)
            if (one["subject"] == subject) return one;
        return Json();
    };
    const Outcome well = box.davit({"doctor", "--format", "json"});
    CHECK_MESSAGE(well.status == 0, well.out);
    CHECK(finding(well, "forwarding")["health"] == "good");
    CHECK(finding(well, "packet rules")["health"] == "good");
    CHECK(finding(well, "links")["message"] == "1 network; the way out has an MTU of 1500");

    REQUIRE(write_in_place("/proc/sys/net/ipv4/ip_forward", "0", 0644).ok());
    const Outcome closed = box.davit({"doctor", "--format", "json"});
    REQUIRE(write_in_place("/proc/sys/net/ipv4/ip_forward", "1", 0644).ok());
    CHECK(closed.status == 1);
    CHECK(finding(closed, "forwarding")["health"] == "problem");
    CHECK(contains(finding(closed, "forwarding")["cure"], "sysctl -w net.ipv4.ip_forward=1"));

    const auto nft = [](const char* words) {
        return davit::testing::run({.argv = {"nft", words}}).status == 0;
    };
    REQUIRE(
        nft("table inet wall { chain through { type filter hook forward priority 0; policy drop; "
            "}; }"));
    const Outcome walled = box.davit({"doctor"});
    CHECK(walled.status == 0);
    CHECK_MESSAGE(contains(walled.out, "warning  firewall: the chain inet wall through drops"),
                  walled.out);
    // The cure is one.
    REQUIRE(
        nft("insert rule inet wall through iifname \"dvb-*\" accept; "
            "insert rule inet wall through oifname \"dvb-*\" accept"));
    CHECK(contains(box.davit({"doctor"}).out, "good     firewall"));
    REQUIRE(nft("delete table inet wall"));
    box.davit_ok({"down"});
}
