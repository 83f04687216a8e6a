#include "stack/lower_network.h"

#include "network/names.h"
#include "stack/claims.h"

#include <algorithm>

namespace davit::stack {
namespace {

constexpr const char* kServer = "127.0.0.11";
constexpr std::uint16_t kDnsPort = 53;
/// Where the guard answers in a container that may answer on port 53 itself.
constexpr std::uint16_t kAsidePort = 40053;

/// Addresses of the host as the container sees them: its gateways.
std::vector<std::string> gateways_of(const ContainerRecord& record) {
    std::vector<std::string> gateways;
    for (const Endpoint& endpoint : record.endpoints)
        if (endpoint.default4 && !endpoint.host_link.empty()) gateways.push_back(endpoint.gateway);
    for (const Endpoint& endpoint : record.endpoints)
        if (endpoint.default6 && !endpoint.host_link.empty()) gateways.push_back(endpoint.gateway6);
    return gateways;
}

}  // namespace

runtime::DnsSettings dns_settings(const ContainerRecord& record,
                                  const std::map<std::string, NetworkRecord>& networks,
                                  const Paths& paths) {
    runtime::DnsSettings settings;
    settings.port = record.own_dns ? kAsidePort : kDnsPort;
    settings.servers = record.resolver.servers;
    settings.own_zone = zone_file(record.project, record.name);
    settings.forward = false;
    for (const Endpoint& endpoint : record.endpoints) {
        settings.forward = settings.forward || !endpoint.internal;
        if (const auto network = networks.find(endpoint.network); network != networks.end())
            settings.networks.push_back(
                {endpoint.network, zone_folder(paths, network->second.bridge)});
    }
    for (const std::string& link : record.links) {
        const std::size_t colon = link.find(':');
        if (colon != std::string::npos)
            settings.links[link.substr(colon + 1)] = link.substr(0, colon);
    }
    if (const std::vector<std::string> gateways = gateways_of(record); !gateways.empty())
        for (const char* name : {"host.docker.internal", "gateway.docker.internal"})
            settings.hosts[name] = gateways;
    return settings;
}

std::string resolv_conf_of(const ContainerRecord& record, const std::string& host) {
    const network::ResolverWishes wishes = {record.resolver.servers, record.resolver.search,
                                            record.resolver.options};
    const bool no_wish = wishes.servers.empty() && wishes.search.empty() && wishes.options.empty();
    if (record.network_mode == "host" && no_wish) return host;
    if (record.endpoints.empty()) return network::render_resolv_conf(host, wishes);
    return network::render_guarded_resolv_conf(host, wishes, kServer);
}

std::string hosts_of(const ContainerRecord& record, const std::string& host) {
    network::HostEntry own;
    std::vector<network::HostEntry> same;
    for (const Endpoint& endpoint : record.endpoints) {
        for (const std::string& ip : {endpoint.ip, endpoint.ip6}) {
            const Result<network::Ip> address = network::parse_ip(ip);
            if (!address) continue;
            network::HostEntry entry{*address, {record.hostname}};
            if (!endpoint.aliases.empty() && endpoint.aliases.front() != record.hostname)
                entry.names.push_back(endpoint.aliases.front());
            if (own.names.empty())
                own = std::move(entry);
            else
                same.push_back(std::move(entry));
        }
    }
    const bool hosts_own = record.network_mode == "host" && !host.empty();
    std::string text = hosts_own ? host : network::render_hosts(own, same);
    if (hosts_own && !text.ends_with('\n')) text += '\n';
    const std::vector<std::string> gateways = gateways_of(record);
    for (const std::string& extra : record.resolver.extra_hosts) {
        const std::size_t equals = extra.find('=');
        std::string address = extra.substr(equals + 1);
        if (address == "host-gateway" && !gateways.empty()) address = gateways.front();
        // With the host's own network the host is where the container is.
        if (address == "host-gateway" && record.network_mode == "host") address = "127.0.0.1";
        if (address != "host-gateway")
            text += fmt::format("{}\t{}\n", address, extra.substr(0, equals));
    }
    return text;
}

std::string dns_detour() {
    return fmt::format(
        "add table ip davit_dns\n"
        "delete table ip davit_dns\n"
        "table ip davit_dns {{\n"
        "    chain out {{\n"
        "        type nat hook output priority -100; policy accept;\n"
        "        ip daddr {0} udp dport {2} dnat to {0}:{1}\n"
        "        ip daddr {0} tcp dport {2} dnat to {0}:{1}\n"
        "    }}\n"
        "}}\n",
        kServer, kAsidePort, kDnsPort);
}

Result<network::AttachSpec> attach_spec(const Endpoint& endpoint, const NetworkRecord& network,
                                        int usual_mtu) {
    network::AttachSpec spec;
    const bool shared = compose::is_shared_link(network.driver);
    spec.driver = network.driver;
    spec.bridge = shared ? network.parent : network.bridge;
    spec.mode = network.mode;
    spec.host_link = endpoint.host_link;
    spec.interface = endpoint.interface;
    spec.mac = endpoint.mac;
    spec.isolated = !network.icc;
    // A shared link can't carry more than its parent does.
    spec.mtu = network.mtu != 0 ? network.mtu : shared ? 0 : usual_mtu;
    for (const auto& [name, value] : endpoint.sysctls) spec.sysctls.emplace_back(name, value);
    if (!endpoint.ip.empty())
        spec.addresses.push_back({TRY(network::parse_ip(endpoint.ip)), endpoint.prefix});
    if (!endpoint.ip6.empty())
        spec.addresses.push_back({TRY(network::parse_ip(endpoint.ip6)), endpoint.prefix6});
    for (const std::string& text : endpoint.link_local_ips) {
        const network::Ip ip = TRY(network::parse_ip(text));
        spec.addresses.push_back({ip, ip.v6 ? 64 : 16});
    }
    // Mode l3 has no neighbours to send through: everything is on the link.
    spec.default_on_link = network.driver == "ipvlan" && network.mode.starts_with("l3") &&
                           (endpoint.default4 || endpoint.default6);
    if (spec.default_on_link) return spec;
    if (endpoint.default4) spec.gateways.push_back(TRY(network::parse_ip(endpoint.gateway)));
    if (endpoint.default6) spec.gateways.push_back(TRY(network::parse_ip(endpoint.gateway6)));
    return spec;
}

}  // namespace davit::stack
