#include "base/strings.h"
#include "network/address.h"
#include "stack/networks.h"

#include <algorithm>
#include <cctype>

// The words of `davit network create` as a network.

namespace davit::stack {
namespace {

bool is_name(const std::string& name) {
    return !name.empty() && name.size() <= 200 &&
           std::isalnum(static_cast<unsigned char>(name.front())) != 0 &&
           std::all_of(name.begin(), name.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
           });
}

/// Puts each of `words` into the subnet that it lies in. @errors InvalidInput
Result<void> sort_in(const std::vector<std::string>& words, const char* flag,
                     std::vector<compose::AddressPool>& pools,
                     void (*put)(compose::AddressPool& pool, const std::string& word)) {
    for (const std::string& one : words) {
        const std::string address = one.substr(one.find('=') + 1);
        const network::Ip ip = TRY(network::parse_ip(address.substr(0, address.find('/'))));
        bool found = false;
        for (compose::AddressPool& pool : pools) {
            if (!TRY(network::parse_cidr(pool.subnet)).contains(ip)) continue;
            put(pool, one);
            found = true;
            break;
        }
        if (!found)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("{} of {} is in no --subnet", address, flag))
                .help("give the subnet that it lies in");
    }
    return {};
}

}  // namespace

Result<compose::Network> network_of(const NewNetwork& flags) {
    if (!is_name(flags.name))
        return Error(ErrorKind::InvalidInput,
                     fmt::format("the name '{}' can't be used", printable(flags.name)))
            .help("use letters, digits, '_', '.' and '-' only, a letter or digit first");
    compose::Network network;
    network.name = flags.name;
    network.driver = flags.driver == "default" ? "bridge" : flags.driver;
    if (network.driver != "bridge" && !compose::is_shared_link(network.driver))
        return Error(ErrorKind::InvalidInput,
                     fmt::format("the network driver '{}' is not supported", flags.driver))
            .help("use bridge, macvlan or ipvlan");
    network.internal = flags.internal;
    network.ipv6 = flags.ipv6;
    network.labels = flags.labels;
    network.driver_opts = flags.options;
    for (const std::string& subnet : flags.subnets) {
        const network::Cidr cidr = TRY(network::parse_cidr(subnet));
        if (cidr.first() != cidr.address)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' is not a subnet: the bits behind the network must be 0",
                                     subnet))
                .help(fmt::format("write {}/{}", to_string(cidr.first()), cidr.prefix));
        network.ipv6 = network.ipv6 || cidr.address.v6;
        network.pools.push_back({.subnet = subnet});
    }
    TRY(sort_in(flags.gateways, "--gateway", network.pools,
                [](compose::AddressPool& pool, const std::string& one) { pool.gateway = one; }));
    TRY(sort_in(flags.ranges, "--ip-range", network.pools,
                [](compose::AddressPool& pool, const std::string& one) { pool.ip_range = one; }));
    TRY(sort_in(flags.reserved, "--aux-address", network.pools,
                [](compose::AddressPool& pool, const std::string& one) {
                    const std::size_t equals = one.find('=');
                    pool.aux_addresses[one.substr(0, equals)] = one.substr(equals + 1);
                }));
    return network;
}

}  // namespace davit::stack
