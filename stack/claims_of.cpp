#include "stack/claims.h"
#include "stack/lower_config.h"

#include <algorithm>
#include <linux/capability.h>

// From a container's record to what it claims.

namespace davit::stack {
namespace {

/// The endpoint whose address published ports lead to: the one with the default route.
const Endpoint* published_endpoint(const ContainerRecord& record, bool v6) {
    for (const Endpoint& endpoint : record.endpoints) {
        if (endpoint.host_link.empty()) continue;  // the host has no way to a shared link
        const bool has = v6 ? endpoint.default6 && !endpoint.ip6.empty()
                            : endpoint.default4 && !endpoint.ip.empty();
        if (has) return &endpoint;
    }
    return nullptr;
}

Result<void> add_port_claims(const compose::Port& port, const std::string& target, bool v6,
                             std::vector<network::RulePort>& rules) {
    network::RulePort rule;
    rule.protocol = port.protocol;
    rule.host_port = port.published;
    rule.target = TRY(network::parse_ip(target));
    rule.target_port = port.target;
    if (!port.host_ip.empty()) {
        const network::Ip host_ip = TRY(network::parse_ip(port.host_ip));
        if (host_ip.v6 != v6) return {};  // the guard relays from one family to the other
        // NAT can't serve ::1: the guard listens there.
        if (v6 && host_ip.value == 1) return {};
        if (host_ip.value != 0) rule.host_ip = host_ip;
    }
    rules.push_back(std::move(rule));
    return {};
}

/// What others are guarded from; see claims.h.
Result<std::vector<network::GuardedPort>> guarded_ports(const ContainerRecord& record) {
    compose::Service as_service;
    as_service.privileges = record.privileges;
    const std::uint64_t capabilities = TRY(capabilities_of(as_service));
    std::vector<network::GuardedPort> ports;
    if ((capabilities >> unsigned{CAP_NET_ADMIN} & 1U) != 0) return ports;
    std::vector<network::Ip> addresses;
    for (const Endpoint& endpoint : record.endpoints) {
        std::vector<std::string> texts = endpoint.link_local_ips;
        texts.push_back(endpoint.ip);
        texts.push_back(endpoint.ip6);
        for (const std::string& text : texts) {
            if (text.empty()) continue;
            const network::Ip ip = TRY(network::parse_ip(text));
            addresses.push_back(ip);
        }
    }
    for (const Endpoint& endpoint : record.endpoints)
        if (!endpoint.host_link.empty() && !endpoint.mac.empty())
            ports.push_back({endpoint.host_link, endpoint.mac, addresses});
    return ports;
}

}  // namespace

Result<ContainerClaims> claims_of(const ContainerRecord& record,
                                  const std::map<std::string, NetworkRecord>& networks) {
    ContainerClaims claims;
    claims.uid_base = record.uid_base;
    for (const Endpoint& endpoint : record.endpoints) {
        EndpointClaim claim;
        if (const auto network = networks.find(endpoint.network); network != networks.end())
            claim.bridge = network->second.bridge;
        for (const std::string& ip : {endpoint.ip, endpoint.ip6})
            if (!ip.empty()) claim.addresses.push_back(ip);
        claim.names = endpoint.aliases;
        if (std::find(claim.names.begin(), claim.names.end(), record.hostname) == claim.names.end())
            claim.names.push_back(record.hostname);
        claims.endpoints.push_back(std::move(claim));
    }
    claims.guarded = TRY(guarded_ports(record));
    if (record.relay_ports) return claims;
    for (const bool v6 : {false, true}) {
        const Endpoint* endpoint = published_endpoint(record, v6);
        if (endpoint == nullptr) continue;
        for (const compose::Port& port : record.ports)
            TRY(add_port_claims(port, v6 ? endpoint->ip6 : endpoint->ip, v6, claims.ports));
    }
    return claims;
}

}  // namespace davit::stack
