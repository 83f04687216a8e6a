#include "stack/allocate_networks.h"

#include "base/duration.h"
#include "base/strings.h"
#include "network/ipam.h"
#include "network/links.h"
#include "stack/claims.h"

#include <algorithm>

namespace davit::stack {
namespace {

using network::Cidr;
using network::Ip;

constexpr const char* kEndpointName = "com.docker.network.endpoint.ifname";
constexpr const char* kEndpointSysctls = "com.docker.network.endpoint.sysctls";

std::string option_of(const std::map<std::string, std::string>& options, const std::string& name) {
    const auto found = options.find(name);
    return found == options.end() ? std::string() : found->second;
}

bool is_off(const std::string& value) { return value == "false" || value == "0"; }

/// What tells this host from others: addresses that are made of it meet nobody else's.
std::string host_id() {
    const Result<std::string> id = read_file("/etc/machine-id", 4096);
    return id ? std::string(trim(*id)) : std::string("davit");
}

// --- Networks ---

/// Networks of this host that `subnet` must not overlap.
Result<std::vector<Cidr>> taken_subnets(const Environment& environment, const std::string& bridge) {
    std::vector<Cidr> taken = TRY(network::used_subnets(bridge));
    const std::vector<Cidr> claimed = TRY(claimed_subnets(environment.paths, bridge));
    taken.insert(taken.end(), claimed.begin(), claimed.end());
    return taken;
}

/// A network that shares a link of the host has the subnet of that link's own network: only other
/// networks of davit are in its way.
Result<std::vector<Cidr>> in_the_way(const Environment& environment, const compose::Network& wanted,
                                     const std::string& bridge) {
    if (compose::is_shared_link(wanted.driver)) return claimed_subnets(environment.paths, bridge);
    return taken_subnets(environment, bridge);
}

Result<SubnetRecord> subnet_of_pool(const compose::AddressPool& pool,
                                    const std::vector<Cidr>& taken) {
    const Cidr subnet = TRY(network::parse_cidr(pool.subnet));
    for (const Cidr& other : taken) {
        if (!other.overlaps(subnet)) continue;
        return Error(ErrorKind::Busy, fmt::format("subnet {} overlaps {}, which this host uses",
                                                  to_string(subnet), to_string(other)))
            .help("choose another subnet, or leave it out: davit picks a free one");
    }
    SubnetRecord record;
    record.subnet = to_string(subnet);
    record.gateway = pool.gateway.empty() ? to_string(network::gateway_of(subnet)) : pool.gateway;
    record.range = pool.ip_range;
    record.reserved = pool.aux_addresses;
    return record;
}

/// The subnets of a network: those of the file, and one of the host's pools for a family that has
/// none there.
Result<std::vector<SubnetRecord>> choose_subnets(const Environment& environment,
                                                 const compose::Network& wanted,
                                                 const std::string& bridge) {
    std::vector<Cidr> others = TRY(in_the_way(environment, wanted, bridge));
    std::vector<Cidr> taken = TRY(taken_subnets(environment, bridge));
    std::vector<SubnetRecord> subnets;
    bool has[2] = {!wanted.ipv4, !wanted.ipv6};
    for (const compose::AddressPool& pool : wanted.pools) {
        SubnetRecord subnet = TRY(subnet_of_pool(pool, others));
        const Cidr cidr = TRY(network::parse_cidr(subnet.subnet));
        has[cidr.address.v6 ? 1 : 0] = true;
        taken.push_back(cidr);
        others.push_back(cidr);
        subnets.push_back(std::move(subnet));
    }
    std::vector<network::Pool> pools = environment.address_pools;
    const auto of_family = [&](bool v6) {
        std::vector<network::Pool> some;
        for (const network::Pool& pool : pools)
            if (pool.base.address.v6 == v6) some.push_back(pool);
        if (some.empty()) {
            if (v6) return std::vector<network::Pool>{network::local_pool(host_id())};
            return network::default_pools();
        }
        return some;
    };
    for (const bool v6 : {false, true}) {
        if (has[v6 ? 1 : 0]) continue;
        const Cidr subnet = TRY(network::pick_subnet(of_family(v6), taken));
        subnets.push_back({to_string(subnet), to_string(network::gateway_of(subnet)), {}, {}});
    }
    return subnets;
}

// --- Endpoints ---

/// Addresses of a network that nobody else may have, but for the one of `own`.
std::set<Ip> taken_addresses(const ChoiceRequest& request, const Choices& choices,
                             const NetworkRecord& network, const std::string& own) {
    std::set<Ip> taken;
    const auto add = [&](const std::string& text) {
        if (const Result<Ip> ip = network::parse_ip(text); ip) taken.insert(*ip);
    };
    const auto add_all = [&](const std::vector<Endpoint>& endpoints) {
        for (const Endpoint& endpoint : endpoints) {
            if (endpoint.network != network.name) continue;
            add(endpoint.ip);
            add(endpoint.ip6);
        }
    };
    for (const auto& [name, record] : request.seen->containers)
        if (name != own) add_all(record.endpoints);
    for (const auto& [name, inputs] : choices.containers)
        if (name != own) add_all(inputs.endpoints);
    // What the file promises to one container is not for another.
    for (const auto& [name, wanted] : request.desired->containers) {
        if (name == own) continue;
        for (const compose::Attachment& attachment : wanted.config.networks) {
            if (request.loaded->project.networks.at(attachment.network).name != network.name)
                continue;
            add(attachment.ipv4_address);
            add(attachment.ipv6_address);
        }
    }
    if (const auto foreign = choices.foreign.find(network.bridge); foreign != choices.foreign.end())
        taken.insert(foreign->second.begin(), foreign->second.end());
    for (const SubnetRecord& subnet : network.subnets) {
        add(subnet.gateway);
        for (const auto& [name, ip] : subnet.reserved) add(ip);
    }
    return taken;
}

/// The address that a container of this name gets whenever it is free, so that it comes back to it
/// after `down`, and that nobody else takes over at once.
Ip derived_address(const Cidr& range, const std::string& of) {
    constexpr std::uint64_t kFirst = 2;
    const std::string digits = network::link_name("", of);
    const std::uint64_t hash = std::stoull(digits, nullptr, 16);
    const network::AddressBits size = range.last().value - range.first().value;
    const network::AddressBits room = size > kFirst + 1 ? size - kFirst : 1;
    return {range.address.v6, range.first().value + kFirst + hash % room};
}

/// What an endpoint is chosen for.
struct Wish {
    const ChoiceRequest* request = nullptr;
    const Choices* choices = nullptr;
    const ContainerInputs* inputs = nullptr;
    const compose::Attachment* attachment = nullptr;
    const NetworkRecord* network = nullptr;
};

const Endpoint* former_endpoint(const Wish& wish) {
    const auto old = wish.request->seen->containers.find(wish.inputs->name);
    if (old == wish.request->seen->containers.end()) return nullptr;
    for (const Endpoint& endpoint : old->second.endpoints)
        if (endpoint.network == wish.network->name) return &endpoint;
    return nullptr;
}

Result<Ip> choose_address(const Wish& wish, const SubnetRecord& subnet, const std::string& fixed,
                          const std::string& former) {
    network::AddressSpace space;
    space.subnet = TRY(network::parse_cidr(subnet.subnet));
    if (!subnet.range.empty()) space.range = TRY(network::parse_cidr(subnet.range));
    space.taken = taken_addresses(*wish.request, *wish.choices, *wish.network, wish.inputs->name);
    if (!fixed.empty()) {
        const Ip ip = TRY(network::parse_ip(fixed));
        if (is_usable(space, ip)) return ip;
        return Error(ErrorKind::Busy,
                     fmt::format("address {} of network '{}' is taken", fixed, wish.network->name))
            .help("give the service another address");
    }
    if (const Result<Ip> old = network::parse_ip(former); old && is_usable(space, *old))
        return *old;
    return network::pick_address(
        space, derived_address(space.range.value_or(space.subnet), wish.inputs->name));
}

Result<void> choose_addresses(const Wish& wish, Endpoint& endpoint) {
    const Endpoint* former = former_endpoint(wish);
    const compose::Attachment& attachment = *wish.attachment;
    for (const SubnetRecord& subnet : wish.network->subnets) {
        const Cidr cidr = TRY(network::parse_cidr(subnet.subnet));
        const bool v6 = cidr.address.v6;
        const std::string& fixed = v6 ? attachment.ipv6_address : attachment.ipv4_address;
        std::string& address = v6 ? endpoint.ip6 : endpoint.ip;
        const Result<Ip> wanted = network::parse_ip(fixed);
        // Of several subnets the one that holds the address asked for, else the first.
        if (!address.empty() || (wanted && !cidr.contains(*wanted))) continue;
        const std::string old = former == nullptr ? "" : v6 ? former->ip6 : former->ip;
        const Ip ip = TRY(choose_address(wish, subnet, fixed, old));
        address = to_string(ip);
        (v6 ? endpoint.prefix6 : endpoint.prefix) = cidr.prefix;
        (v6 ? endpoint.gateway6 : endpoint.gateway) = subnet.gateway;
    }
    return {};
}

/// "net.ipv4.conf.IFNAME.log_martians=1,…" @source docker network connect --driver-opt
std::map<std::string, std::string> endpoint_sysctls(const compose::Attachment& attachment) {
    std::map<std::string, std::string> sysctls;
    for (const std::string& item :
         split(option_of(attachment.driver_opts, kEndpointSysctls), ',')) {
        const std::size_t equals = item.find('=');
        if (equals != std::string::npos)
            sysctls[std::string(trim(item.substr(0, equals)))] = item.substr(equals + 1);
    }
    return sysctls;
}

Result<Endpoint> choose_endpoint(const Wish& wish) {
    const ContainerInputs& inputs = *wish.inputs;
    const compose::Attachment& attachment = *wish.attachment;
    Endpoint endpoint;
    endpoint.network = wish.network->name;
    endpoint.internal = wish.network->internal;
    TRY(choose_addresses(wish, endpoint));
    endpoint.mac = attachment.mac_address;
    if (endpoint.mac.empty())
        endpoint.mac = network::mac_for(
            TRY(network::parse_ip(endpoint.ip.empty() ? endpoint.ip6 : endpoint.ip)));
    if (wish.network->driver == "bridge")
        endpoint.host_link = network::link_name("dvv-", inputs.id + "\n" + wish.network->name);
    endpoint.aliases = {inputs.name, inputs.wanted->service, inputs.id.substr(0, 12)};
    // A one-off container is not asked for by its service's names, unless it is told to be.
    if (!inputs.wanted->aliases) std::erase(endpoint.aliases, inputs.wanted->service);
    for (const std::string& alias : attachment.aliases) {
        if (std::find(endpoint.aliases.begin(), endpoint.aliases.end(), alias) ==
            endpoint.aliases.end())
            endpoint.aliases.push_back(alias);
    }
    endpoint.interface = attachment.interface_name;
    if (endpoint.interface.empty())
        endpoint.interface = option_of(attachment.driver_opts, kEndpointName);
    endpoint.link_local_ips = attachment.link_local_ips;
    endpoint.sysctls = endpoint_sysctls(attachment);
    return endpoint;
}

/// eth0, eth1, … for those that have no name of their own.
Result<void> name_interfaces(const Choices& choices, std::vector<Endpoint>& endpoints) {
    std::set<std::string> used;
    for (const Endpoint& endpoint : endpoints) {
        if (endpoint.interface.empty() || used.insert(endpoint.interface).second) continue;
        return Error(ErrorKind::InvalidInput,
                     fmt::format("two interfaces would be called '{}'", endpoint.interface))
            .help("give each network of the service another 'interface_name'");
    }
    for (Endpoint& endpoint : endpoints) {
        const std::string& prefix = choices.networks.at(endpoint.network).prefix;
        for (int number = 0; endpoint.interface.empty(); ++number) {
            const std::string name = fmt::format("{}{}", prefix, number);
            if (used.insert(name).second) endpoint.interface = name;
        }
    }
    return {};
}

/// One endpoint a family has the default route: the highest gw_priority, then the first by name.
/// @source docker, libnetwork Endpoint.Less
void choose_default_routes(const std::vector<compose::Attachment>& attachments,
                           std::vector<Endpoint>& endpoints) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < endpoints.size(); ++i)
        if (!endpoints[i].internal) order.push_back(i);
    std::sort(order.begin(), order.end(), [&](std::size_t one, std::size_t other) {
        const int mine = attachments[one].gw_priority;
        const int theirs = attachments[other].gw_priority;
        return mine != theirs ? mine > theirs : endpoints[one].network < endpoints[other].network;
    });
    bool done[2] = {false, false};
    for (const std::size_t i : order) {
        Endpoint& endpoint = endpoints[i];
        if (!done[0] && !endpoint.ip.empty()) done[0] = endpoint.default4 = true;
        if (!done[1] && !endpoint.ip6.empty()) done[1] = endpoint.default6 = true;
    }
}

}  // namespace

Result<NetworkRecord> make_network(const Environment& environment, const std::string& project,
                                   const compose::DesiredNetwork& wanted) {
    const compose::Network& config = wanted.config;
    const auto option = [&](const char* name) { return option_of(config.driver_opts, name); };
    NetworkRecord record;
    record.name = config.name;
    record.key = wanted.key;
    record.project = project;
    record.bridge = option("com.docker.network.bridge.name");
    if (record.bridge.empty())
        record.bridge =
            network::link_name("dvb-", environment.paths.data_root + "\n" + config.name);
    record.driver = config.driver;
    record.internal = config.internal;
    record.masquerade = !is_off(option("com.docker.network.bridge.enable_ip_masquerade"));
    record.icc = !is_off(option("com.docker.network.bridge.enable_icc"));
    record.mtu =
        static_cast<int>(parse_integer(option("com.docker.network.driver.mtu")).value_or(0));
    record.host_binding = option("com.docker.network.bridge.host_binding_ipv4");
    if (record.host_binding == "0.0.0.0") record.host_binding.clear();
    if (const std::string prefix = option("com.docker.network.container_iface_prefix");
        !prefix.empty())
        record.prefix = prefix;
    record.parent = option("parent");
    record.mode = option(config.driver == "macvlan" ? "macvlan_mode" : "ipvlan_mode");
    if (compose::is_shared_link(config.driver) && record.parent.empty()) {
        // Without a wire its containers reach each other only. @source docker, macvlan driver
        record.parent =
            network::link_name("dvd-", environment.paths.data_root + "\n" + config.name);
        record.internal = true;
    }
    record.labels = config.labels;
    record.options = config.driver_opts;
    record.subnets = TRY(choose_subnets(environment, config, record.bridge));
    record.config_hash = wanted.config_hash;
    record.created = rfc3339(std::chrono::system_clock::now());
    return record;
}

Result<NetworkRecord> find_network(const Paths& paths, const std::string& name) {
    const std::vector<std::string> projects = TRY(list_projects(paths));
    for (const std::string& project : projects) {
        std::map<std::string, NetworkRecord> networks = TRY(read_networks(paths, project));
        const auto found = networks.find(name);
        if (found != networks.end() && !found->second.bridge.empty())
            return std::move(found->second);
    }
    return Error(ErrorKind::NotFound, fmt::format("there is no network '{}'", name));
}

Result<void> choose_networks(const ChoiceRequest& request, Choices& choices) {
    const Environment& environment = *request.environment;
    choices.networks = request.seen->networks;
    choices.foreign = TRY(claimed_addresses(environment.paths, request.desired->project));
    for (const compose::Step& step : request.plan->steps) {
        if (step.kind != compose::StepKind::CreateNetwork) continue;
        const std::string& name = step.resource.name;
        const compose::DesiredNetwork& wanted = request.desired->networks.at(name);
        const auto known = request.seen->networks.find(name);
        if (known != request.seen->networks.end() &&
            known->second.config_hash == wanted.config_hash)
            continue;  // after a reboot: the same subnet, on which addresses were promised
        Result<NetworkRecord> record = make_network(environment, request.desired->project, wanted);
        if (!record)
            return std::move(record)
                .error()
                .doing("make network '{}'", name)
                .at(request.loaded->places.find("networks." + wanted.key));
        TRY(write_network_claim(environment.paths, *record));
        choices.networks[name] = *std::move(record);
    }
    for (const auto& [key, network] : request.loaded->project.networks) {
        if (!network.external || choices.networks.contains(network.name)) continue;
        Result<NetworkRecord> found = find_network(environment.paths, network.name);
        if (found) choices.networks[network.name] = *std::move(found);
    }
    return {};
}

Result<std::vector<Endpoint>> choose_endpoints(const ChoiceRequest& request, const Choices& choices,
                                               const ContainerInputs& inputs) {
    std::vector<Endpoint> endpoints;
    const std::vector<compose::Attachment>& attachments = inputs.wanted->config.networks;
    const auto place_of = [&](const std::string& network) {
        return request.loaded->places.find(
            fmt::format("services.{}.networks.{}", inputs.wanted->service, network));
    };
    for (const compose::Attachment& attachment : attachments) {
        const std::string& name = request.loaded->project.networks.at(attachment.network).name;
        Wish wish;
        wish.request = &request;
        wish.choices = &choices;
        wish.inputs = &inputs;
        wish.attachment = &attachment;
        wish.network = &choices.networks.at(name);
        Result<Endpoint> endpoint = choose_endpoint(wish);
        if (!endpoint)
            return std::move(endpoint)
                .error()
                .doing("join network '{}'", name)
                .at(place_of(attachment.network));
        endpoints.push_back(*std::move(endpoint));
    }
    if (Result<void> named = name_interfaces(choices, endpoints); !named)
        return std::move(named).error().at(place_of(attachments.front().network));
    choose_default_routes(attachments, endpoints);
    return endpoints;
}

}  // namespace davit::stack
