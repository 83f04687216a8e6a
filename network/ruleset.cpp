#include "network/ruleset.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <map>

namespace davit::network {
namespace {

/// "elements = { a, b }", or nothing: an empty list is a syntax error to nft.
std::string elements(const std::vector<std::string>& list) {
    if (list.empty()) return {};
    return fmt::format(" elements = {{ {} }};", fmt::join(list, ", "));
}

std::string target_of(const RulePort& port) {
    return fmt::format("{} . {}", to_string(port.target), port.target_port);
}

bool is_link_name(const std::string& name) {
    const auto is_plain = [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
    };
    return !name.empty() && name.size() <= 15 && std::all_of(name.begin(), name.end(), is_plain);
}

/// Every chain, with the reason for every rule in docs/network.md. `@…` are the sets above it.
constexpr const char* kChains = R"(
    chain raw {
        type filter hook prerouting priority raw; policy accept;
        iifname != @br return
        ip daddr 127.0.0.0/8 drop
        ip saddr 127.0.0.0/8 drop
        ip6 daddr ::1 drop
        ip saddr != 0.0.0.0 fib saddr . iif oif 0 drop
    }
    chain pre {
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local jump publish
    }
    chain out {
        type nat hook output priority -100; policy accept;
        ip6 daddr ::1 return
        fib daddr type local jump publish
    }
    chain publish {
        dnat ip to ip daddr . meta l4proto . th dport map @p4
        dnat ip to meta l4proto . th dport map @p4any
    }
    chain post {
        type nat hook postrouting priority srcnat; policy accept;
        oifname @br ip saddr 127.0.0.0/8 masquerade
        ct status dnat oifname . ip saddr @nets4 masquerade
        iifname @masq oifname != @br masquerade
    }
    chain forward {
        type filter hook forward priority filter; policy accept;
        iifname != @br oifname != @br accept
        ct state established,related accept
        ct state invalid drop
        iifname . oifname @intra accept
        oifname @br ct status dnat accept
        oifname @br drop
    }
)";

}  // namespace

Result<void> check(const Ruleset& rules) {
    for (const RuleNetwork& network : rules.networks) {
        if (!is_link_name(network.bridge))
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' is not the name of a bridge", network.bridge));
    }
    std::map<std::string, std::string> target_of_port;
    for (const RulePort& port : rules.ports) {
        if (port.protocol != "tcp" && port.protocol != "udp")
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' is neither tcp nor udp", port.protocol));
        const std::string on = port.any_address ? "" : to_string(port.host_ip) + ":";
        const std::string published = fmt::format("{}{}/{}", on, port.host_port, port.protocol);
        const std::string target = fmt::format("{}:{}", to_string(port.target), port.target_port);
        const auto [first, is_new] = target_of_port.emplace(published, target);
        if (!is_new && first->second != target)
            return Error(ErrorKind::Busy,
                         fmt::format("host port {} is published twice: to {} and to {}", published,
                                     first->second, target))
                .help("take down the project that holds it, or give one of them another port");
    }
    return {};
}

std::string render(const Ruleset& rules) {
    // Adding before deleting makes the deletion valid whether the table was there or not; the whole
    // script is one transaction, so that there is no moment without rules.
    std::string script = "add table inet davit\ndelete table inet davit\n";
    if (rules.empty()) return script;
    std::vector<std::string> bridges;
    std::vector<std::string> intra;
    std::vector<std::string> nets4;
    for (const RuleNetwork& network : rules.networks) {
        bridges.push_back(fmt::format("\"{}\"", network.bridge));
        intra.push_back(fmt::format("\"{0}\" . \"{0}\"", network.bridge));
        nets4.push_back(fmt::format("\"{}\" . {}/{}", network.bridge,
                                    to_string(network.subnet.first()), network.subnet.prefix));
    }
    std::vector<std::string> p4;
    std::vector<std::string> p4any;
    for (const RulePort& port : rules.ports) {
        if (port.any_address)
            p4any.push_back(
                fmt::format("{} . {} : {}", port.protocol, port.host_port, target_of(port)));
        else
            p4.push_back(fmt::format("{} . {} . {} : {}", to_string(port.host_ip), port.protocol,
                                     port.host_port, target_of(port)));
    }
    script += "table inet davit {\n";
    script += fmt::format("    set br {{ type ifname;{} }}\n", elements(bridges));
    script += fmt::format("    set masq {{ type ifname;{} }}\n", elements(bridges));
    script += fmt::format("    set intra {{ type ifname . ifname;{} }}\n", elements(intra));
    script += fmt::format("    set nets4 {{ type ifname . ipv4_addr; flags interval;{} }}\n",
                          elements(nets4));
    script += fmt::format(
        "    map p4 {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service;{} }}\n",
        elements(p4));
    script += fmt::format(
        "    map p4any {{ type inet_proto . inet_service : ipv4_addr . inet_service;{} }}",
        elements(p4any));
    return script + kChains + "}\n";
}

}  // namespace davit::network
