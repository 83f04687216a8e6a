#include "network/ipam.h"
#include "stack/allocate_networks.h"

#include <algorithm>

// What is wrong with networks and fixed addresses, found before anything is made.

namespace davit::stack {
namespace {

using network::Cidr;
using network::Ip;

Error at(const ChoiceRequest& request, const std::string& place, std::string message,
         std::string help) {
    return Error(ErrorKind::InvalidInput, std::move(message))
        .at(request.loaded->places.find(place))
        .help(std::move(help));
}

Result<void> check_pool(const ChoiceRequest& request, const compose::AddressPool& pool,
                        const std::string& place) {
    const Cidr subnet = TRY(network::parse_cidr(pool.subnet));
    const auto inside = [&](const std::string& text) {
        const Result<Ip> ip = network::parse_ip(text);
        return ip && subnet.contains(*ip);
    };
    const auto outside = [&](const std::string& key, const std::string& value) {
        return at(request, place + "." + key,
                  fmt::format("{} is not in the subnet {}", value, pool.subnet),
                  "choose one within the subnet");
    };
    if (!pool.gateway.empty() && !inside(pool.gateway)) return outside("gateway", pool.gateway);
    if (!pool.ip_range.empty() && !inside(pool.ip_range.substr(0, pool.ip_range.find('/'))))
        return outside("ip_range", pool.ip_range);
    for (const auto& [name, ip] : pool.aux_addresses)
        if (!inside(ip)) return outside("aux_addresses." + name, ip);
    return {};
}

/// Subnets that the file, or the record of an external network, says.
std::vector<std::string> known_subnets(const compose::Network& network,
                                       const std::map<std::string, NetworkRecord>& external) {
    std::vector<std::string> subnets;
    for (const compose::AddressPool& pool : network.pools) subnets.push_back(pool.subnet);
    if (const auto found = external.find(network.name); found != external.end())
        for (const SubnetRecord& subnet : found->second.subnets) subnets.push_back(subnet.subnet);
    return subnets;
}

Result<void> check_fixed(const ChoiceRequest& request, const compose::DesiredContainer& container,
                         const compose::Attachment& attachment, const std::string& fixed,
                         const std::vector<std::string>& subnets) {
    const Ip ip = TRY(network::parse_ip(fixed));
    const std::string place =
        fmt::format("services.{}.networks.{}.{}", container.service, attachment.network,
                    ip.v6 ? "ipv6_address" : "ipv4_address");
    const bool inside = std::any_of(subnets.begin(), subnets.end(), [&](const std::string& subnet) {
        const Result<Cidr> cidr = network::parse_cidr(subnet);
        return cidr && cidr->contains(ip);
    });
    if (inside) return {};
    if (subnets.empty())
        return at(request, place,
                  fmt::format("network '{}' has no subnet in the file, so {} can't be kept for "
                              "service '{}'",
                              attachment.network, fixed, container.service),
                  fmt::format("add networks.{}.ipam.config with a subnet", attachment.network));
    return at(request, place,
              fmt::format("{} is not in the subnet of network '{}' ({})", fixed, attachment.network,
                          fmt::join(subnets, ", ")),
              "choose an address within the subnet");
}

}  // namespace

Result<void> check_networks(const ChoiceRequest& request) {
    const compose::Project& project = request.loaded->project;
    std::map<std::string, NetworkRecord> external;
    std::map<std::pair<std::string, std::string>, std::string> holder_of;
    for (const auto& [key, network] : project.networks) {
        for (std::size_t i = 0; i < network.pools.size(); ++i)
            TRY(check_pool(request, network.pools[i],
                           fmt::format("networks.{}.ipam.config[{}]", key, i)));
    }
    for (const auto& [name, container] : request.desired->containers) {
        for (const compose::Attachment& attachment : container.config.networks) {
            const compose::Network& network = project.networks.at(attachment.network);
            if (network.external && !external.contains(network.name)) {
                Result<NetworkRecord> found =
                    find_network(request.environment->paths, network.name);
                if (!found && found.error().kind() == ErrorKind::NotFound)
                    return Error(ErrorKind::NotFound,
                                 fmt::format("external network '{}' does not exist", network.name))
                        .at(request.loaded->places.find("networks." + attachment.network))
                        .help("bring the project up that has it, or take 'external' out");
                if (!found) return std::move(found).error();
                external[network.name] = *std::move(found);
            }
            const std::vector<std::string> subnets = known_subnets(network, external);
            for (const std::string& fixed : {attachment.ipv4_address, attachment.ipv6_address}) {
                if (fixed.empty()) continue;
                TRY(check_fixed(request, container, attachment, fixed, subnets));
                const auto [first, fresh] = holder_of.emplace(std::pair(network.name, fixed), name);
                if (!fresh)
                    return at(
                        request,
                        fmt::format("services.{}.networks.{}", container.service,
                                    attachment.network),
                        fmt::format("{} is asked for twice, by '{}' too", fixed, first->second),
                        "give each container an address of its own");
            }
        }
    }
    return {};
}

}  // namespace davit::stack
