#include "network/port_guard.h"

#include "base/log.h"
#include "base/nft_batch.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <fmt/format.h>
#include <net/if.h>

namespace davit::network {
namespace {

/// Learnt from the first load that needed it.
std::atomic<bool> kernel_cannot_guard{false};

/// Chains and rules, with their reasons in docs/network.md. Numbers for what nft names, so that
/// nothing is looked up: 0x8100 and 0x88a8 are the tags of VLANs.
/// `@nh,64,128` is the source of an IPv6 packet, `@th,64,128` the address that a neighbour
/// advertisement is about: written alike, they are looked up in one set.
constexpr const char* kGuardChains = R"(
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
)";

/// The elements of every set.
struct GuardElements {
    std::vector<std::string> ports = {};
    std::vector<std::string> macs = {};
    std::vector<std::string> own4 = {};
    std::vector<std::string> own6 = {};
};

constexpr std::size_t kMacLength = 6;

Result<std::array<std::uint8_t, kMacLength>> parse_mac(const std::string& mac) {
    std::array<unsigned, kMacLength> part{};
    int end = 0;
    if (std::sscanf(mac.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%n", &part[0], &part[1], &part[2],
                    &part[3], &part[4], &part[5], &end) != kMacLength ||
        mac.size() != static_cast<std::size_t>(end))
        return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not a MAC address", mac));
    std::array<std::uint8_t, kMacLength> bytes{};
    for (std::size_t i = 0; i < kMacLength; ++i) bytes[i] = static_cast<std::uint8_t>(part[i]);
    return bytes;
}

std::string filled(std::string bytes, std::size_t size) {
    bytes.resize(size, '\0');
    return bytes;
}

/// As nft wants a key that it knows as bytes only.
std::string hexadecimal(const Ip& ip) {
    std::string text = "0x";
    for (const char byte : ip.bytes())
        text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return text;
}

GuardElements elements_of(const std::vector<GuardedPort>& ports) {
    GuardElements all;
    for (const GuardedPort& port : ports) {
        const std::string name = fmt::format("\"{}\"", port.link);
        all.ports.push_back(name);
        all.macs.push_back(fmt::format("{} . {}", name, port.mac));
        std::vector<Ip> addresses = port.addresses;
        if (const Result<Ip> own = link_local_of(port.mac); own) addresses.push_back(*own);
        for (const Ip& ip : addresses)
            if (ip.v6)
                all.own6.push_back(fmt::format("{} . {}", name, hexadecimal(ip)));
            else
                all.own4.push_back(fmt::format("{} . {}", name, to_string(ip)));
    }
    return all;
}

using Visit = std::function<void(const char* set, const char* type,
                                 const std::vector<std::string>& elements)>;

void for_each_set(const std::vector<GuardedPort>& ports, const Visit& visit) {
    const GuardElements all = elements_of(ports);
    visit("ports", "type ifname", all.ports);
    visit("macs", "type ifname . ether_addr", all.macs);
    visit("own4", "type ifname . ipv4_addr", all.own4);
    visit("own6", "typeof iifname . @nh,64,128", all.own6);
}

}  // namespace

Result<Ip> link_local_of(const std::string& mac) {
    const std::array<std::uint8_t, kMacLength> part = TRY(parse_mac(mac));
    constexpr unsigned kUniversal = 0x02;
    const std::array<unsigned, 8> host = {
        part[0] ^ kUniversal, part[1], part[2], 0xff, 0xfe, part[3], part[4], part[5]};
    Ip ip{true, 0xfe80};
    ip.value <<= 48U;
    for (const unsigned byte : host) ip.value = ip.value << 8U | byte;
    return ip;
}

std::string render_guard(const Ruleset& rules) {
    std::string script = "add table bridge davit\ndelete table bridge davit\n";
    if (rules.networks.empty()) return script;
    script += "table bridge davit {\n";
    for_each_set(rules.guarded, [&](const char* set, const char* type, const auto& elements) {
        script += fmt::format("    set {} {{ {};", set, type);
        if (!elements.empty())
            script += fmt::format(" elements = {{ {} }};", fmt::join(elements, ", "));
        script += " }\n";
    });
    script.pop_back();
    return script + kGuardChains + "}\n";
}

Result<bool> apply_through(const Loader& load, const Ruleset& rules) {
    TRY(check(rules));
    const std::string script = render(rules);
    const Result<void> whole = load(script + render_guard(rules));
    if (whole) return true;
    if (whole.error().kind() != ErrorKind::Unsupported) return whole.error();
    TRY(load(script));
    return false;
}

Result<void> apply(const Ruleset& rules) {
    if (kernel_cannot_guard) {
        TRY(check(rules));
        return load_script(render(rules));
    }
    const bool guards = TRY(apply_through(load_script, rules));
    kernel_cannot_guard = !guards;
    if (!guards) log::debug("network", "this kernel has no nf_tables for bridges: no guard");
    return {};
}

/// Not as a script: for each container that starts, libnftables would take milliseconds.
Result<void> guard_ports(const std::vector<GuardedPort>& ports) {
    if (ports.empty() || kernel_cannot_guard) return {};
    NftBatch batch("davit", NftFamily::Bridge);
    for (const GuardedPort& port : ports) {
        // The parts of a key begin at multiples of four bytes, the name is 16.
        const std::string link = filled(port.link, IFNAMSIZ);
        const std::array<std::uint8_t, kMacLength> mac = TRY(parse_mac(port.mac));
        const std::string mac_bytes(mac.begin(), mac.end());
        batch.elements("ports", {link});
        batch.elements("macs", {link + filled(mac_bytes, 8)});
        std::vector<Ip> addresses = port.addresses;
        addresses.push_back(TRY(link_local_of(port.mac)));
        for (const Ip& ip : addresses) batch.elements(ip.v6 ? "own6" : "own4", {link + ip.bytes()});
    }
    return batch.send(TRY(open_netfilter()));
}

Result<bool> can_guard() {
    const Result<void> tried =
        load_script("add table bridge davit_try\ndelete table bridge davit_try\n");
    if (tried) return true;
    if (tried.error().kind() == ErrorKind::Unsupported) return false;
    return tried.error();
}

}  // namespace davit::network
