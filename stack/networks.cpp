#include "stack/networks.h"

#include "base/digest.h"
#include "base/failpoint.h"
#include "network/links.h"
#include "stack/allocate_networks.h"
#include "stack/claims.h"
#include "stack/rules.h"
#include "stack/status.h"

#include <algorithm>
#include <unistd.h>

namespace davit::stack {
namespace {

std::string id_of(const NetworkRecord& record) {
    return sha256_hex(record.bridge + "\n" + record.name + "\n" + record.created);
}

std::map<std::string, std::string> labels_of(const NetworkRecord& record) {
    std::map<std::string, std::string> labels = record.labels;
    if (record.project == kNoProject) return labels;
    labels["com.docker.compose.network"] = record.key;
    labels["com.docker.compose.project"] = record.project;
    return labels;
}

network::ParentSpec parent_of(const NetworkRecord& record) {
    return {
        .name = record.parent, .alias = record.name, .dummy = !record.options.contains("parent")};
}

Error in_use(const NetworkView& network) {
    std::string users;
    for (const NetworkUser& user : network.users)
        users += (users.empty() ? "'" : ", '") + user.name + "'";
    return Error(ErrorKind::Busy,
                 fmt::format("network '{}' is in use by {}", network.record.name, users))
        .help("remove these containers first: davit rm, or davit down");
}

/// Removes the network, whose project's lock is held.
Result<void> remove_one(const Environment& environment, const NetworkRecord& record) {
    const Paths& paths = environment.paths;
    TRY(take_network_down(paths, record));
    TRY(remove_tree(paths.networks(record.project) + "/" + record.name + ".json"));
    const std::map<std::string, NetworkRecord> left = TRY(read_networks(paths, record.project));
    if (record.project != kNoProject || !left.empty()) return {};
    TRY(remove_tree(paths.project(record.project)));
    ::rmdir(paths.projects().c_str());  // stays where other projects are
    return tidy_run_root(paths, record.project);
}

}  // namespace

Result<void> bring_network_up(const Paths& paths, const NetworkRecord& record, int usual_mtu) {
    // Written down first: what may exist is known to whoever takes it away.
    TRY(write_record(paths, record));
    TRY(write_network_claim(paths, record));
    if (compose::is_shared_link(record.driver)) return network::ensure_parent(parent_of(record));
    network::BridgeSpec bridge;
    bridge.name = record.bridge;
    bridge.alias = record.name;
    bridge.mtu = record.mtu != 0 ? record.mtu : usual_mtu;
    for (const SubnetRecord& subnet : record.subnets) {
        const network::Cidr cidr = TRY(network::parse_cidr(subnet.subnet));
        const network::Ip gateway = TRY(network::parse_ip(subnet.gateway));
        bridge.addresses.push_back({gateway, cidr.prefix});
    }
    FAILPOINT("network.up");
    return network::ensure_bridge(bridge);
}

Result<void> take_network_down(const Paths& paths, const NetworkRecord& record) {
    FAILPOINT("network.unclaim");
    TRY(remove_network_claim(paths, record));
    FAILPOINT("network.down");
    if (compose::is_shared_link(record.driver)) return network::remove_parent(parent_of(record));
    RuleUpdater rules(paths);
    TRY(rules.update());
    // Without a name, what is left of it was never in the kernel, or is gone from there.
    return record.bridge.empty() ? Result<void>()
                                 : network::remove_bridge(record.bridge, record.name);
}

Result<bool> network_is_up(const NetworkRecord& record) {
    if (record.bridge.empty() && record.parent.empty()) return false;  // its record is damaged
    return network::link_exists(compose::is_shared_link(record.driver) ? record.parent
                                                                       : record.bridge);
}

Result<std::vector<NetworkView>> list_networks(const Paths& paths) {
    std::map<std::string, NetworkView> by_name;
    const std::vector<std::string> projects = TRY(list_projects(paths));
    for (const std::string& project : projects) {
        const std::map<std::string, NetworkRecord> records = TRY(read_networks(paths, project));
        for (const auto& [name, record] : records)
            if (!record.bridge.empty())
                by_name[name] = {record, id_of(record), labels_of(record), {}};
    }
    for (const ContainerView& view : TRY(list_all_containers(paths))) {
        for (const Endpoint& endpoint : view.record.endpoints) {
            const auto network = by_name.find(endpoint.network);
            if (network == by_name.end()) continue;
            network->second.users.push_back({view.record.project, view.record.name, view.record.id,
                                             endpoint, view.state.pid != 0});
        }
    }
    std::vector<NetworkView> networks;
    for (auto& [name, network] : by_name) networks.push_back(std::move(network));
    return networks;
}

Result<NetworkView> find_network_view(const std::vector<NetworkView>& networks,
                                      const std::string& text) {
    std::vector<const NetworkView*> found;
    for (const NetworkView& network : networks) {
        if (network.record.name == text) return network;
        if (!text.empty() && network.id.starts_with(text)) found.push_back(&network);
    }
    if (found.size() == 1) return *found.front();
    if (found.empty())
        return Error(ErrorKind::NotFound, fmt::format("network {} not found", text))
            .help("'davit network ls' lists those that are there");
    return Error(ErrorKind::InvalidInput, fmt::format("'{}' is the beginning of several ids", text))
        .help("write more of it, or the name");
}

Result<std::string> create_network(const Environment& environment, const NewNetwork& flags) {
    const Paths& paths = environment.paths;
    const compose::Network wanted = TRY(network_of(flags));
    TRY(make_directories(paths.project(kNoProject), 0700));
    TRY(make_directories(paths.run_root, 0711));
    const FileLock lock = TRY(FileLock::exclusive(paths.project_lock(kNoProject)));
    const Result<NetworkRecord> known = find_network(paths, wanted.name);
    if (known)
        return Error(ErrorKind::AlreadyExists,
                     fmt::format("network with name {} already exists", wanted.name))
            .help("remove it first, or choose another name");
    if (known.error().kind() != ErrorKind::NotFound) return known.error();
    NetworkRecord record;
    {
        const FileLock host = TRY(lock_host(paths));
        compose::DesiredNetwork desired;
        desired.key = wanted.name;
        desired.config = wanted;
        record = TRY(make_network(environment, kNoProject, desired));
        TRY(write_project_claim(paths, kNoProject));
        TRY(write_network_claim(paths, record));
    }
    const int mtu = TRY(network::uplink_mtu());
    Result<void> made = bring_network_up(paths, record, mtu);
    RuleUpdater rules(paths);
    if (made) made = rules.update();
    if (made) return id_of(record);
    (void)remove_one(environment, record);
    return std::move(made).error();
}

Result<NetworkView> removable_network(const Paths& paths, const std::string& text) {
    const std::vector<NetworkView> networks = TRY(list_networks(paths));
    NetworkView network = TRY(find_network_view(networks, text));
    if (!network.users.empty()) return in_use(network);
    return network;
}

Result<void> remove_network(const Environment& environment, const std::string& text) {
    const std::vector<NetworkView> before = TRY(list_networks(environment.paths));
    const NetworkView meant = TRY(find_network_view(before, text));
    const FileLock lock =
        TRY(FileLock::exclusive(environment.paths.project_lock(meant.record.project)));
    // As it is now that nobody changes it.
    return remove_one(environment,
                      TRY(removable_network(environment.paths, meant.record.name)).record);
}

Result<std::vector<std::string>> prune_networks(const Environment& environment) {
    std::vector<std::string> removed;
    for (const NetworkView& network : TRY(list_networks(environment.paths))) {
        if (!network.users.empty()) continue;
        const Result<void> done = remove_network(environment, network.record.name);
        if (done) removed.push_back(network.record.name);
        const bool passed = !done && (done.error().kind() == ErrorKind::Busy ||
                                      done.error().kind() == ErrorKind::NotFound);
        if (!done && !passed) return done.error();
    }
    return removed;
}

}  // namespace davit::stack
