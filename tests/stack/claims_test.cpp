#include "stack/claims.h"

#include "base/json.h"
#include "base/sys.h"
#include "runtime/state.h"
#include "tests/support/command.h"
#include "tests/support/own_namespaces.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

#include <cstdio>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace davit;
using namespace davit::stack;
using davit::testing::TempDir;

namespace {

struct Fixture {
    TempDir dir = {};
    Paths paths = {};

    Fixture() {
        paths.data_root = dir / "data";
        paths.run_root = dir / "run";
    }

    std::string container(const std::string& project, const std::string& name,
                          const ContainerClaims& claims) const {
        const std::string run_dir = paths.run_container(project, name);
        REQUIRE(make_directories(run_dir, 0700).ok());
        REQUIRE(write_claims(run_dir, claims).ok());
        return run_dir;
    }
    NetworkRecord network(const std::string& project, const std::string& name,
                          const std::string& subnet) const {
        NetworkRecord record;
        record.project = project;
        record.name = name;
        record.bridge = "dvb-" + name;
        record.subnets = {{subnet, {}, {}, {}}};
        REQUIRE(write_network_claim(paths, record).ok());
        return record;
    }
};

network::RulePort port(std::uint16_t host_port, const char* target) {
    network::RulePort made;
    made.host_port = host_port;
    made.target = *network::parse_ip(target);
    made.target_port = 80;
    return made;
}

ContainerRecord record_with(std::vector<compose::Port> ports) {
    ContainerRecord record;
    record.uid_base = 589824;
    record.hostname = "h";
    record.endpoints = {{.network = "n",
                         .ip = "172.18.0.5",
                         .host_link = "dvv-1",
                         .aliases = {"c", "web"},
                         .ip6 = "fd00::5",
                         .default4 = true}};
    record.ports = std::move(ports);
    return record;
}

/// State of a container whose guard is this process.
void live(const std::string& run_dir) {
    runtime::ContainerState state;
    state.status = runtime::Status::Running;
    state.guard_pid = ::getpid();
    state.guard_start_ticks = *sys::start_time(::getpid());
    REQUIRE(runtime::write_state(run_dir, state).ok());
}

const std::map<std::string, NetworkRecord> kNetworks = [] {
    NetworkRecord network;
    network.name = "n";
    network.bridge = "dvb-n";
    return std::map<std::string, NetworkRecord>{{"n", network}};
}();

}  // namespace

TEST_CASE("a container claims its ids addresses names and ports and nothing is published yet") {
    ContainerRecord record = record_with({{"", 8080, 80, "tcp"},
                                          {"0.0.0.0", 53, 5353, "udp"},
                                          {"127.0.0.1", 9000, 90, "tcp"},
                                          {"::1", 9001, 91, "tcp"}});
    const auto claims = claims_of(record, kNetworks);
    REQUIRE(claims.ok());
    CHECK(claims->uid_base == 589824);
    CHECK_FALSE(claims->published);
    REQUIRE(claims->endpoints.size() == 1);
    CHECK(claims->endpoints[0] ==
          EndpointClaim{"dvb-n", {"172.18.0.5", "fd00::5"}, {"c", "web", "h"}});
    REQUIRE(claims->ports.size() == 3);  // IPv6 of an IPv4 container is the guard's to relay
    CHECK_FALSE(claims->ports[0].host_ip);
    CHECK(claims->ports[0].host_port == 8080);
    CHECK(to_string(claims->ports[0].target) == "172.18.0.5");
    CHECK(claims->ports[0].target_port == 80);
    CHECK_FALSE(claims->ports[1].host_ip);
    CHECK(claims->ports[1].protocol == "udp");
    CHECK(to_string(claims->ports[2].host_ip.value()) == "127.0.0.1");

    record.endpoints.front().default6 = true;
    record.ports = {{"", 8080, 80, "tcp"}, {"::1", 9001, 91, "tcp"}, {"fd09::1", 1, 2, "tcp"}};
    const auto both = claims_of(record, kNetworks);
    REQUIRE(both->ports.size() == 3);  // ::1 stays the guard's
    CHECK_FALSE(both->ports[0].target.v6);
    CHECK(to_string(both->ports[1].target) == "fd00::5");
    CHECK(to_string(both->ports[2].host_ip.value()) == "fd09::1");

    record.relay_ports = true;
    CHECK(claims_of(record, kNetworks)->ports.empty());
    ContainerRecord lonely = record_with({{"", 8080, 80, "tcp"}});
    lonely.endpoints.clear();
    CHECK(claims_of(lonely, {})->ports.empty());
    ContainerRecord internal = record_with({{"", 8080, 80, "tcp"}});
    internal.endpoints.front().default4 = false;
    CHECK(claims_of(internal, kNetworks)->ports.empty());
}

TEST_CASE("names of a container that answers are files of its networks") {
    const Fixture f;
    ContainerClaims claims;
    claims.endpoints = {{"dvb-a", {"10.0.0.2"}, {"shop-web-1", "web"}},
                        {"dvb-b", {"10.1.0.2", "fd00::2"}, {"shop-web-1"}}};
    REQUIRE(write_zones(f.paths, "shop", "shop-web-1", claims).ok());
    CHECK(*read_file(f.paths.run_root + "/.zones/dvb-a/shop.shop-web-1") ==
          "10.0.0.2\nshop-web-1 web\n");
    CHECK(*read_file(f.paths.run_root + "/.zones/dvb-b/shop.shop-web-1") ==
          "10.1.0.2 fd00::2\nshop-web-1\n");
    remove_zones(f.paths, "shop", "shop-web-1", claims);
    CHECK(list_directory(f.paths.run_root + "/.zones/dvb-a")->empty());
    NetworkRecord gone;
    gone.project = "shop";
    for (const char* bridge : {"dvb-a", "dvb-b"}) {
        gone.bridge = bridge;
        REQUIRE(remove_network_claim(f.paths, gone).ok());
    }
    CHECK_FALSE(exists(f.paths.run_root + "/.zones"));
}

TEST_CASE("what a container that is gone claims holds up nobody") {
    const Fixture f;
    REQUIRE(write_project_claim(f.paths, "one").ok());
    const std::string dead = f.container("one", "dead", {1, {port(8080, "172.17.0.2")}, true});
    const std::string killed = f.container("one", "killed", {2, {}, true});
    REQUIRE(write_json(killed + "/claims.json", {{"version", 99}}, Sync::No).ok());
    live(f.container("one", "web", {3, {port(8080, "172.17.0.3")}, true}));
    const auto rules = gather_rules(f.paths);
    REQUIRE(rules.ok());
    REQUIRE(rules->ports.size() == 1);
    CHECK(to_string(rules->ports[0].target) == "172.17.0.3");
    CHECK(*holder_of_port(f.paths, port(8080, "10.0.0.1")) == "one/web");
    CHECK(holder_of_port(f.paths, port(8081, "10.0.0.1"))->empty());
    live(dead);
    CHECK(gather_rules(f.paths)->ports.size() == 2);
    live(killed);  // now it may hold something that nobody can read
    CHECK(gather_rules(f.paths).error().kind() == ErrorKind::Unsupported);
}

TEST_CASE("addresses of other projects are taken and their containers are guests") {
    const Fixture f;
    REQUIRE(write_project_claim(f.paths, "one").ok());
    REQUIRE(write_project_claim(f.paths, "two").ok());
    ContainerClaims claims;
    claims.endpoints = {{"dvb-n", {"10.0.0.2", "fd00::2"}, {"a"}}};
    live(f.container("one", "a", claims));
    f.container("two", "b", claims);
    CHECK(claimed_addresses(f.paths, "two")->at("dvb-n") ==
          std::set<network::Ip>{*network::parse_ip("10.0.0.2"), *network::parse_ip("fd00::2")});
    CHECK(guests_of(f.paths, "dvb-n", "two")->front() == "a");
    CHECK(guests_of(f.paths, "dvb-n", "one")->empty());  // b does not live
    CHECK(guests_of(f.paths, "dvb-x", "two")->empty());
}

TEST_CASE("claims come back from the disk as they went") {
    const Fixture f;
    auto claims =
        claims_of(record_with({{"", 1, 2, "tcp"}, {"10.1.2.3", 65535, 4, "udp"}}), kNetworks);
    claims->published = true;
    const std::string run_dir = f.container("p", "c", *claims);
    const auto back = read_claims(run_dir);
    REQUIRE(back.ok());
    CHECK(back->uid_base == claims->uid_base);
    CHECK(back->published);
    CHECK(back->ports == claims->ports);
    CHECK(back->endpoints == claims->endpoints);
    const auto none = read_claims(f.dir / "nowhere");
    REQUIRE(none.ok());
    CHECK(none->uid_base == 0);
    CHECK(none->ports.empty());
    CHECK_FALSE(none->published);
}

TEST_CASE("claims of a newer davit are an error and not nothing") {
    const Fixture f;
    const std::string run_dir = f.container("p", "c", {});
    REQUIRE(write_json(run_dir + "/claims.json", {{"version", 99}}, Sync::No).ok());
    CHECK(read_claims(run_dir).error().kind() == ErrorKind::Unsupported);
}

TEST_CASE("the rule set has every network that is up and only published ports") {
    const Fixture f;
    CHECK(gather_rules(f.paths)->empty());
    REQUIRE(write_project_claim(f.paths, "one").ok());
    REQUIRE(write_project_claim(f.paths, "two").ok());
    f.network("one", "one_default", "172.17.0.0/16");
    f.network("two", "two_default", "172.18.0.0/16");
    live(f.container("one", "a", {1, {port(8080, "172.17.0.2")}, true}));
    live(f.container("one", "b", {2, {port(8081, "172.17.0.3")}, false}));
    live(f.container("two", "c", {3, {port(8082, "172.18.0.2"), port(8083, "172.18.0.2")}, true}));
    // Folders that are no projects, and a write that was cut short.
    REQUIRE(make_directories(f.paths.run_root + "/stray/x", 0700).ok());
    f.container("stray", "d", {4, {port(8084, "172.19.0.2")}, true});
    REQUIRE(
        write_in_place(f.paths.run_project("one") + "/.networks/x.json.0a1b.tmp", "{", 0600).ok());
    const auto rules = gather_rules(f.paths);
    REQUIRE(rules.ok());
    REQUIRE(rules->networks.size() == 2);
    CHECK(rules->networks[0].bridge == "dvb-one_default");
    CHECK(to_string(rules->networks[1].subnets.front()) == "172.18.0.0/16");
    REQUIRE(rules->ports.size() == 3);
    CHECK(rules->ports[0] == port(8080, "172.17.0.2"));
    CHECK(rules->ports[2] == port(8083, "172.18.0.2"));
}

TEST_CASE("id ranges and subnets of all projects are in use") {
    const Fixture f;
    REQUIRE(write_project_claim(f.paths, "one").ok());
    REQUIRE(write_project_claim(f.paths, "two").ok());
    f.container("one", "a", {524288, {}, true});
    f.container("one", "host", {0, {}, true});  // in the host's user namespace: no range
    f.container("two", "b", {589824, {}, false});
    const NetworkRecord record = f.network("two", "two_default", "10.9.0.0/24");
    CHECK(*used_id_ranges(f.paths) == std::set<std::uint32_t>{524288, 589824});
    REQUIRE(claimed_subnets(f.paths)->size() == 1);
    CHECK(to_string(claimed_subnets(f.paths)->front()) == "10.9.0.0/24");
    REQUIRE(remove_network_claim(f.paths, record).ok());
    REQUIRE(remove_network_claim(f.paths, record).ok());  // twice is as once
    CHECK(claimed_subnets(f.paths)->empty());
}

TEST_CASE("the last project turns out the light") {
    const Fixture f;
    REQUIRE(write_project_claim(f.paths, "one").ok());
    REQUIRE(write_project_claim(f.paths, "two").ok());
    f.network("one", "one_default", "10.9.0.0/24");
    REQUIRE(write_in_place(f.paths.run_root + "/seccomp-0.bpf", "x", 0600).ok());
    REQUIRE(write_in_place(f.paths.run_root + "/seccomp-1.bpf.0a.tmp", "x", 0600).ok());
    REQUIRE(write_in_place(f.paths.run_project("one") + "/.project.json.12ab.tmp", "{", 0600).ok());
    REQUIRE(tidy_run_root(f.paths, "one").ok());
    CHECK_FALSE(exists(f.paths.run_project("one")));
    CHECK(exists(f.paths.run_project("two") + "/.project.json"));
    CHECK(exists(f.paths.run_root + "/seccomp-0.bpf"));
    REQUIRE(tidy_run_root(f.paths, "two").ok());
    CHECK_FALSE(exists(f.paths.run_root));
    CHECK(tidy_run_root(f.paths, "two").ok());  // twice is as once
    CHECK_FALSE(exists(f.paths.run_root));
}

TEST_CASE("zone files that nobody finishes are swept, and others are left alone") {
    const Fixture f;
    const std::string folder = zone_folder(f.paths, "dvb-1");
    REQUIRE(make_directories(folder, 0700).ok());
    const pid_t gone = ::fork();
    if (gone == 0) ::_exit(0);
    REQUIRE(::waitpid(gone, nullptr, 0) == gone);
    const std::string file = folder + "/one.one-a-1";
    const std::string killed = fmt::format("{}.{}-0a.tmp", file, gone);
    const std::string writing = fmt::format("{}.{}-0a.tmp", file, ::getpid());
    for (const std::string& path : {file, killed, writing})
        REQUIRE(write_in_place(path, "10.9.0.2\na\n", 0600).ok());
    sweep_zones(f.paths);
    CHECK(exists(file));
    CHECK(exists(writing));
    CHECK_FALSE(exists(killed));
}

TEST_CASE("tidying leaves what still belongs to a container or to somebody else") {
    const Fixture f;
    REQUIRE(write_project_claim(f.paths, "one").ok());
    const std::string run_dir = f.container("one", "a", {524288, {}, true});
    REQUIRE(tidy_run_root(f.paths, "one").ok());
    CHECK(exists(run_dir + "/claims.json"));
    CHECK(exists(f.paths.run_project("one") + "/.project.json"));
    REQUIRE(remove_tree(run_dir).ok());
    REQUIRE(write_in_place(f.paths.run_root + "/not-ours", "x", 0600).ok());
    REQUIRE(tidy_run_root(f.paths, "one").ok());
    CHECK(*list_directory(f.paths.run_root) == std::vector<std::string>{"not-ours"});
}

TEST_CASE("rules of a network that never came to be go with its claim [ns]") {
    const Fixture f;
    REQUIRE(write_project_claim(f.paths, "shop").ok());
    f.network("shop", "unmade", "172.18.0.0/16");
    const int status = davit::testing::in_own_namespaces([&] {
        const auto has_rules = [] {
            return davit::testing::run({.argv = {"nft", "list", "ruleset"}})
                       .out.find("dvb-unmade") != std::string::npos;
        };
        // As another project's command does it meanwhile.
        const auto rules = gather_rules(f.paths);
        const Result<void> loaded = rules ? network::apply(*rules) : Result<void>(rules.error());
        if (!loaded) std::fprintf(stderr, "%s\n", loaded.error().to_string().c_str());
        if (!has_rules()) return 1;
        if (!tidy_run_root(f.paths, "shop")) return 2;
        return has_rules() ? 3 : 0;
    });
    if (status == 77) SKIP_TEST("no user namespaces here");
    CHECK(status == 0);
}
