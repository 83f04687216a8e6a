#include "base/strings.h"
#include "base/unique_fd.h"
#include "network/links.h"
#include "network/port_guard.h"
#include "runtime/dns_zone.h"
#include "runtime/relay.h"
#include "runtime/rules_watch.h"
#include "stack/claims.h"
#include "stack/doctor.h"
#include "stack/networks.h"

#include <algorithm>
#include <cstring>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// The facts that doctor.cpp judges.

namespace davit::stack {
namespace {

bool is_on(const char* setting) {
    const Result<std::string> value = read_file(std::string("/proc/sys/net/") + setting);
    return value && trim(*value) == "1";
}

/// The MTU of a link; 0 where there is no such link.
int mtu_of(const std::string& name) {
    const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    if (name.size() >= sizeof request.ifr_name) return 0;
    std::memcpy(request.ifr_name, name.data(), name.size());
    return ::ioctl(fd.get(), SIOCGIFMTU, &request) == 0 ? request.ifr_mtu : 0;
}

Result<std::vector<NetworkFacts>> networks_up(const Paths& paths, const network::Ruleset& rules) {
    std::map<std::string, std::string> names;
    for (const NetworkView& network : TRY(list_networks(paths)))
        names[network.record.bridge] = network.record.name;
    std::vector<NetworkFacts> networks;
    for (const network::RuleNetwork& one : rules.networks) {
        NetworkFacts facts;
        facts.bridge = one.bridge;
        const auto name = names.find(one.bridge);
        facts.name = name == names.end() ? one.bridge : name->second;
        facts.link_there = TRY(network::link_exists(one.bridge));
        facts.mtu = mtu_of(one.bridge);
        facts.internal = one.internal;
        facts.v6 = std::any_of(one.subnets.begin(), one.subnets.end(),
                               [](const network::Cidr& subnet) { return subnet.address.v6; });
        networks.push_back(std::move(facts));
    }
    return networks;
}

/// Whether a name server says anything to a question for the root's name servers.
/// @source RFC 1035 §4.1
bool answers(const std::string& server) {
    constexpr std::uint16_t kPort = 53;
    constexpr int kPatienceMs = 1000;
    static constexpr char kQuestion[] = "\x2a\x2a\x01\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01";
    const runtime::SocketAddress to = runtime::make_address(server, kPort);
    if (to.length == 0) return false;
    const UniqueFd fd(::socket(to.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), to.get(), to.length) == -1) return false;
    if (::send(fd.get(), kQuestion, sizeof kQuestion - 1, MSG_DONTWAIT) == -1) return false;
    pollfd waiting{fd.get(), POLLIN, 0};
    char byte = 0;
    // A port that nobody listens on is readable too, as an error.
    return ::poll(&waiting, 1, kPatienceMs) == 1 && ::recv(fd.get(), &byte, 1, MSG_DONTWAIT) == 1;
}

std::vector<network::Pool> pools_of(const Environment& environment) {
    std::vector<network::Pool> pools;
    for (const network::Pool& pool : environment.address_pools)
        if (!pool.base.address.v6) pools.push_back(pool);
    return pools.empty() ? network::default_pools() : pools;
}

/// A setting that is only there with its module.
std::optional<bool> setting_of(const char* setting) {
    if (!exists(std::string("/proc/sys/net/") + setting)) return std::nullopt;
    return is_on(setting);
}

void gather_bridge_facts(HostFacts& facts) {
    if (const Result<bool> guards = network::can_guard(); guards) facts.guards = *guards;
    facts.bridge_filter4 = setting_of("bridge/bridge-nf-call-iptables");
    facts.bridge_filter6 = setting_of("bridge/bridge-nf-call-ip6tables");
}

void gather_rule_facts(HostFacts& facts) {
    const Result<bool> there = runtime::has_rules();
    if (!there) {
        facts.rules_problem = there.error().to_string();
        return;
    }
    facts.rules_there = *there;
    const Result<Json> ruleset = network::list_ruleset();
    auto chains = ruleset ? network::dropping_chains(*ruleset)
                          : Result<std::vector<network::DroppingChain>>(ruleset.error());
    if (chains) {
        facts.dropping = *std::move(chains);
        return;
    }
    facts.rules_there.reset();
    facts.rules_problem = chains.error().to_string();
}

}  // namespace

Result<HostFacts> gather_facts(const Environment& environment) {
    HostFacts facts;
    facts.root = ::geteuid() == 0;
    facts.ip_forward = is_on("ipv4/ip_forward");
    facts.ipv6_forward = is_on("ipv6/conf/all/forwarding");
    gather_rule_facts(facts);
    gather_bridge_facts(facts);
    network::Ruleset rules;
    // Before the first `up` there is no run root; a user that isn't root may not look into it.
    if (exists(environment.paths.run_root) && facts.root)
        rules = TRY(gather_rules(environment.paths));
    facts.networks = TRY(networks_up(environment.paths, rules));
    facts.uplink_mtu = TRY(network::uplink_mtu());
    const Result<std::string> resolver = read_file("/etc/resolv.conf");
    if (resolver && resolver->find("nameserver") != std::string::npos)
        facts.resolvers = runtime::servers_of(*resolver);
    for (const std::string& server : facts.resolvers)
        if (!answers(server)) facts.silent_resolvers.push_back(server);
    std::tie(facts.free_subnets, facts.pool_subnets) =
        count_free(pools_of(environment), TRY(network::used_subnets()));
    facts.data_root = environment.paths.data_root;
    // Before the first image the folder is not there: its nearest parent is on its file system.
    std::string folder = facts.data_root;
    while (!exists(folder) && folder.size() > 1)
        folder.resize(std::max<std::size_t>(folder.rfind('/'), 1));
    facts.kernel = runtime::probe_features(folder);
    return facts;
}

}  // namespace davit::stack
