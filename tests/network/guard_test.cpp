#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "network/foreign_rules.h"
#include "network/port_guard.h"
#include "tests/network/forge.h"
#include "tests/support/text.h"

#include <doctest/doctest.h>
#include <set>

using namespace davit;
using namespace davit::network;
using namespace davit::network::testing;

// Containers of one network that pass themselves off as each other.

namespace {

/// The bytes that hexadecimal digits mean; blanks are for the reader.
std::string hex(const std::string& digits) {
    std::string bytes;
    std::string one;
    for (const char c : digits) {
        if (c == ' ') continue;
        one += c;
        if (one.size() < 2) continue;
        bytes += static_cast<char>(std::stoi(one, nullptr, 16));
        one.clear();
    }
    return bytes;
}

constexpr const char* kOwnMac = "0242ac110002";
constexpr const char* kVictimMac = "0242ac110003";
constexpr const char* kOwnIp = "ac110002";
constexpr const char* kGatewayIp = "ac110001";
constexpr const char* kOwnIp6 = "fd770000000000000000000000000002";
constexpr const char* kGatewayIp6 = "fd770000000000000000000000000001";
constexpr const char* kOwnLink = "fe80000000000000 0042acfffe110002";
constexpr const char* kOtherLink = "fe80000000000000 0042acfffe110003";
constexpr const char* kNobody6 = "00000000000000000000000000000000";
constexpr const char* kVictimIp6 = "fd770000000000000000000000000003";

std::string ethernet(const std::string& from, const std::string& type) {
    return kVictimMac + from + type;
}

/// "MAC is at IP", as an answer. @source RFC 826
std::string arp(const std::string& mac, const std::string& ip) {
    return "0001 0800 06 04 0002" + mac + ip + kVictimMac + "ac110003";
}

/// @param checksum of the header, without which br_netfilter lets nothing pass
std::string ipv4(const std::string& from, const std::string& checksum) {
    return "4500 0014 0000 0000 09 fd" + checksum + from + "ac110003";
}

/// @param payload behind the header, of `protocol`
std::string ipv6(const std::string& from, const std::string& protocol, const std::string& payload) {
    char length[5];
    std::snprintf(length, sizeof length, "%04zx", hex(payload).size());
    return "60000000" + std::string(length) + protocol + "ff" + from + kVictimIp6 + payload;
}

/// That `address` is at our MAC address. @source RFC 4861 §4.4
std::string advertisement(const std::string& address) {
    return "88 00 0000 20000000" + address + "0201" + kOwnMac;
}

struct Frame {
    const char* name;
    std::string header;  ///< In hexadecimal, as `payload`.
    std::string payload;
    bool honest;
};

std::vector<Frame> frames() {
    const std::string arp_type = ethernet(kOwnMac, "0806");
    const std::string ip4 = ethernet(kOwnMac, "0800");
    const std::string ip6 = ethernet(kOwnMac, "86dd");
    const std::string icmp6 = "3a";
    return {
        {"its own address, by ARP", arp_type, arp(kOwnMac, kOwnIp), true},
        {"whether an address is free, by ARP", arp_type, arp(kOwnMac, "00000000"), true},
        {"the gateway's address, by ARP", arp_type, arp(kOwnMac, kGatewayIp), false},
        {"its own address at another's MAC address", arp_type, arp(kVictimMac, kOwnIp), false},
        {"another's MAC address on the frame", ethernet("0242ac110001", "0806"),
         arp("0242ac110001", kGatewayIp), false},
        {"the gateway's address, in a frame with the tag of VLAN 0",
         ethernet(kOwnMac, "8100 0000 0806"), arp(kOwnMac, kGatewayIp), false},
        {"a packet of its own", ip4, ipv4(kOwnIp, "58c6"), true},
        {"a packet of the gateway", ip4, ipv4(kGatewayIp, "58c7"), false},
        {"its own address, by NDP", ip6, ipv6(kOwnIp6, icmp6, advertisement(kOwnIp6)), true},
        {"the gateway's address, by NDP", ip6, ipv6(kOwnIp6, icmp6, advertisement(kGatewayIp6)),
         false},
        {"the same behind a header of options", ip6,
         ipv6(kOwnIp6, "3c", icmp6 + "00 010400000000" + advertisement(kGatewayIp6)), false},
        {"the same from no address", ip6, ipv6(kNobody6, icmp6, advertisement(kGatewayIp6)), false},
        {"a packet of its own of IPv6", ip6, ipv6(kOwnIp6, "fd", ""), true},
        {"a packet of the gateway of IPv6", ip6, ipv6(kGatewayIp6, "fd", ""), false},
        {"one of its own link-local address", ip6, ipv6(kOwnLink, "fd", ""), true},
        {"one of another's link-local address", ip6, ipv6(kOtherLink, "fd", ""), false},
        {"that it is a router", ip6, ipv6(kOwnLink, icmp6, "86 00 0000 40000708 00000000 00000000"),
         false},
        {"that another way is shorter", ip6,
         ipv6(kOwnLink, icmp6, "89 00 0000 00000000" + std::string(kOwnIp6) + kOwnIp6), false},
        {"something that is no IP", ethernet(kOwnMac, "88b5"), "6162636465666768", true},
    };
}

/// What the guarded container of the Lab may say.
GuardedPort own_port() {
    return {"dvv-1", "02:42:ac:11:00:02", {*parse_ip("172.17.0.2"), *parse_ip("fd77::2")}};
}

Ruleset guarded_rules() {
    Ruleset rules = Lab::rules();
    rules.guarded = {own_port()};
    return rules;
}

/// Hears every frame that comes to `eth0` of a namespace.
UniqueFd ear_in(const UniqueFd& netns) {
    const Result<NetnsScope> inside = NetnsScope::enter(netns);
    UniqueFd ear(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    sockaddr_ll link{};
    link.sll_family = AF_PACKET;
    link.sll_protocol = htons(ETH_P_ALL);
    link.sll_ifindex = static_cast<int>(::if_nametoindex("eth0"));
    ::bind(ear.get(), reinterpret_cast<const sockaddr*>(&link), sizeof link);
    return ear;
}

/// Whether a frame that ends with `payload` comes; the tag of a VLAN is taken off by then.
bool hears(const UniqueFd& ear, const std::string& payload, int timeout_ms) {
    while (has_mail(ear, timeout_ms)) {
        char buffer[2048];
        const ssize_t got = ::recv(ear.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (got > 0 && std::string(buffer, static_cast<std::size_t>(got)).ends_with(payload))
            return true;
    }
    return false;
}

/// Whether the frame comes from c1 to c2.
bool arrives(const Lab& lab, const Frame& frame, int timeout_ms) {
    const UniqueFd ear = ear_in(lab.c2);
    return send_frame(lab.c1, hex(frame.header + frame.payload)) &&
           hears(ear, hex(frame.payload), timeout_ms);
}

/// How many frames went where they should not, or did not where they should.
int count_wrong(const Lab& lab, bool guarded) {
    int wrong = 0;
    for (const Frame& frame : frames()) {
        const bool expected = !guarded || frame.honest;
        if (arrives(lab, frame, expected ? 2000 : 100) == expected) continue;
        std::fprintf(stderr, "%s, %s: %s\n", frame.name, guarded ? "guarded" : "not guarded",
                     expected ? "did not arrive" : "arrived");
        ++wrong;
    }
    return wrong;
}

/// The MAC address that c2 knows for the gateway.
std::string gateway_as_seen_by(const UniqueFd& netns) {
    const Result<NetnsScope> inside = NetnsScope::enter(netns);
    const Result<std::string> table = read_file("/proc/thread-self/net/arp");
    for (const std::string& line : split(*table, '\n'))
        if (line.starts_with("172.17.0.1 ")) return line.substr(41, 17);
    return {};
}

}  // namespace

TEST_CASE("the table of the guard is replaced in one script") {
    Ruleset rules;
    CHECK(render_guard(rules) == "add table bridge davit\ndelete table bridge davit\n");
    rules.networks = {{"dvb-a", {*parse_cidr("172.17.0.0/16")}}};
    rules.guarded = {own_port(), {"dvv-2", "02:42:ac:11:00:03", {*parse_ip("172.17.0.3")}}};
    CHECK(render_guard(rules) == R"(add table bridge davit
delete table bridge davit
table bridge davit {
    set ports { type ifname; elements = { "dvv-1", "dvv-2" }; }
    set macs { type ifname . ether_addr; elements = { "dvv-1" . 02:42:ac:11:00:02, "dvv-2" . 02:42:ac:11:00:03 }; }
    set own4 { type ifname . ipv4_addr; elements = { "dvv-1" . 172.17.0.2, "dvv-2" . 172.17.0.3 }; }
    set own6 { typeof iifname . @nh,64,128; elements = { "dvv-1" . 0xfd770000000000000000000000000002, "dvv-1" . 0xfe800000000000000042acfffe110002, "dvv-2" . 0xfe800000000000000042acfffe110003 }; }
    chain ipv4 {
        iifname . ip saddr != @own4 drop
    }
    chain arp_sender {
        arp saddr ip 0.0.0.0 accept
        iifname . arp saddr ip != @own4 drop
        iifname . arp saddr ether != @macs drop
    }
    chain ipv6 {
        icmpv6 type { nd-router-advert, nd-redirect } drop
        icmpv6 type nd-neighbor-advert iifname . @th,64,128 != @own6 drop
        ip6 saddr :: accept
        iifname . @nh,64,128 != @own6 drop
    }
    chain guard {
        type filter hook prerouting priority -300; policy accept;
        iifname != @ports accept
        iifname . ether saddr != @macs drop
        ether type vmap { 0x0800 : jump ipv4, 0x86dd : jump ipv6, 0x0806 : jump arp_sender, 0x8100 : drop, 0x88a8 : drop }
    }
}
)");
}

TEST_CASE("a port that is added to the guard is one as nft would have written it [ns]") {
    IN_OWN_NAMESPACES([] {
        const Result<bool> guards = can_guard();
        if (!guards) return 1;
        if (!*guards) return kNoNftables;
        const auto elements = [] {
            std::set<std::string> all;
            const Result<Json> rules = list_ruleset();
            for (const Json& item : rules ? rules->at("nftables") : Json::array()) {
                if (!item.contains("set") || !item["set"].contains("elem")) continue;
                for (const Json& element : item["set"]["elem"])
                    all.insert(item["set"]["name"].dump() + element.dump());
            }
            return all;
        };
        if (!done(load_script(render_guard(guarded_rules())))) return 2;
        const std::set<std::string> written = elements();
        if (written.size() != 5) return 9;
        Ruleset without = guarded_rules();
        without.guarded.clear();
        if (!done(load_script(render_guard(without))) || elements() == written) return 3;
        if (!done(guard_ports({own_port()}))) return 4;
        if (elements() != written) return 5;
        // Once more is no mistake, and without the table it is one: somebody has flushed all.
        if (!done(guard_ports({own_port()})) || elements() != written) return 6;
        if (!done(load_script("flush ruleset\n"))) return 7;
        return guard_ports({own_port()}).ok() ? 8 : 0;
    });
}

TEST_CASE("ports that no kernel would take are refused with what is wrong") {
    const auto problem = [](const char* link, const char* mac) {
        Ruleset rules;
        rules.guarded = {{link, mac, {}}};
        const Result<void> checked = check(rules);
        return checked ? std::string() : checked.error().to_string();
    };
    CHECK(problem("dvv-1", "02:42:ac:11:00:02").empty());
    CHECK(problem("dvv\"1", "02:42:ac:11:00:02") == "'dvv\"1' is not the name of a link");
    CHECK(problem("dvv-1", "02:42:ac:11:00") == "'02:42:ac:11:00' is not a MAC address");
    CHECK(problem("dvv-1", "02:42:ac:11:00:02 }") == "'02:42:ac:11:00:02 }' is not a MAC address");
}

TEST_CASE("on a kernel without tables for bridges the other rules are loaded alone") {
    std::vector<std::string> scripts;
    ErrorKind refusal = ErrorKind::Unsupported;
    const Loader load = [&](const std::string& script) -> Result<void> {
        scripts.push_back(script);
        if (davit::testing::contains(script, "bridge davit")) return Error(refusal, "no");
        return {};
    };
    const Result<bool> guards = apply_through(load, guarded_rules());
    REQUIRE(guards.ok());
    CHECK_FALSE(*guards);
    CHECK(scripts == std::vector{render(guarded_rules()) + render_guard(guarded_rules()),
                                 render(guarded_rules())});
    refusal = ErrorKind::PermissionDenied;  // is no reason to go without
    CHECK(apply_through(load, guarded_rules()).error().kind() == refusal);
}

TEST_CASE("a container sends with its own addresses alone [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        // Without the other rules: where br_netfilter is on, they would drop some of it as well.
        if (!lab.up() || !load({})) return 1;
        const Result<bool> guards = can_guard();
        if (!guards) return 2;
        if (!*guards) return kNoNftables;
        if (count_wrong(lab, false) != 0) return 3;  // shows that the frames would come
        if (!done(load_script(render_guard(guarded_rules()))) || count_wrong(lab, true) != 0)
            return 4;
        // A container that comes later is guarded without loading everything anew.
        if (!done(load_script(render_guard(Lab::rules()))) || count_wrong(lab, false) != 0)
            return 5;
        if (!done(guard_ports({own_port()})) || count_wrong(lab, true) != 0) return 6;
        return load({}) && count_wrong(lab, false) == 0 ? 0 : 7;
    });
}

TEST_CASE("a guarded container does not become its neighbour's gateway [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up()) return 1;
        const Result<bool> guards = can_guard();
        if (!guards || !*guards) return kNoNftables;
        if (!reaches_from(lab.c2, "172.17.0.1", 8080, lab.web)) return 2;
        const std::string poison = hex(ethernet(kOwnMac, "0806") + arp(kOwnMac, kGatewayIp));
        // Linux takes no other answer within a second of one.
        const auto takes_the_place = [&] {
            for (int i = 0; i < 25; ++i) {
                if (!send_frame(lab.c1, poison)) return false;
                ::poll(nullptr, 0, 100);
                if (gateway_as_seen_by(lab.c2) == "02:42:ac:11:00:02") return true;
            }
            return false;
        };
        if (!load(guarded_rules()) || takes_the_place()) return 3;
        if (gateway_as_seen_by(lab.c2) != "02:42:ac:11:00:01") return 4;
        return load(Lab::rules()) && takes_the_place() ? 0 : 5;  // shows that it would have worked
    });
}
