#include "stack/claims.h"

#include "base/failpoint.h"
#include "base/json.h"
#include "base/log.h"
#include "base/parallel.h"
#include "network/links.h"
#include "runtime/state.h"

#include <algorithm>
#include <atomic>
#include <unistd.h>

namespace davit::stack {
namespace {

constexpr int kVersion = 1;
constexpr const char* kZones = "/.zones";
constexpr const char* kHostLock = "/host.lock";  // no project has a dot in its name

std::string networks_folder(const Paths& paths, const std::string& project) {
    return paths.run_project(project) + "/.networks";
}

std::string claims_file(const std::string& run_dir) { return run_dir + "/claims.json"; }

bool is_project(const Paths& paths, const std::string& name) {
    return exists(paths.run_project(name) + "/.project.json");
}

Json port_json(const network::RulePort& port) {
    return {{"protocol", port.protocol},
            {"host_ip", port.host_ip ? to_string(*port.host_ip) : std::string()},
            {"host_port", port.host_port},
            {"target_ip", to_string(port.target)},
            {"target_port", port.target_port}};
}

Result<network::RulePort> parse_port(const Json& json) {
    network::RulePort port;
    port.protocol = string_or(json, "protocol", "tcp");
    const std::string host_ip = string_or(json, "host_ip");
    if (!host_ip.empty()) port.host_ip = TRY(network::parse_ip(host_ip));
    port.host_port = static_cast<std::uint16_t>(integer_or(json, "host_port"));
    port.target = TRY(network::parse_ip(string_or(json, "target_ip")));
    port.target_port = static_cast<std::uint16_t>(integer_or(json, "target_port"));
    return port;
}

std::vector<std::string> texts_of(const Json& json, const char* key) {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_array()) return {};
    std::vector<std::string> texts;
    for (const Json& item : *found)
        if (item.is_string()) texts.push_back(item.get<std::string>());
    return texts;
}

Result<network::RuleNetwork> read_network_claim(const std::string& path, bool& shared) {
    const Json json = TRY(read_record(path, kVersion));
    shared = compose::is_shared_link(string_or(json, "driver"));
    network::RuleNetwork claimed;
    claimed.bridge = string_or(json, "bridge");
    for (const std::string& text : texts_of(json, "subnets")) {
        const network::Cidr subnet = TRY(network::parse_cidr(text));
        claimed.subnets.push_back(subnet);
    }
    claimed.internal = json.value("internal", false);
    claimed.masquerade = json.value("masquerade", true);
    claimed.icc = json.value("icc", true);
    return claimed;
}

EndpointClaim endpoint_of(const Json& json) {
    return {string_or(json, "bridge"), texts_of(json, "addresses"), texts_of(json, "names")};
}

Json guarded_json(const network::GuardedPort& port) {
    std::vector<std::string> addresses;
    for (const network::Ip& ip : port.addresses) addresses.push_back(to_string(ip));
    return {{"link", port.link}, {"mac", port.mac}, {"addresses", std::move(addresses)}};
}

Result<network::GuardedPort> parse_guarded(const Json& json) {
    network::GuardedPort port;
    port.link = string_or(json, "link");
    port.mac = string_or(json, "mac");
    for (const std::string& text : texts_of(json, "addresses")) {
        const network::Ip ip = TRY(network::parse_ip(text));
        port.addresses.push_back(ip);
    }
    return port;
}

/// A container of this host with what it claims.
struct Holder {
    std::string project = {};
    std::string name = {};
    std::string run_dir = {};
    ContainerClaims claims = {};
};

/// Whether the container's address answers, or will again soon: it has not ended.
bool is_up(const std::string& run_dir) {
    const Result<runtime::ContainerState> state = runtime::observe_state(run_dir);
    return state && state->status != runtime::Status::Exited &&
           (state->pid != 0 || runtime::guard_alive(*state));
}

/// Whether anything of the container still runs. Without state: no guard has come yet.
bool is_alive(const std::string& run_dir) {
    const Result<runtime::ContainerState> state = runtime::observe_state(run_dir);
    return state && (state->pid != 0 || runtime::guard_alive(*state));
}

/// Names in the run root that are projects' folders.
Result<std::vector<std::string>> projects_up(const Paths& paths) {
    std::vector<std::string> projects;
    const std::vector<std::string> names = TRY(list_directory(paths.run_root));
    for (const std::string& name : names) {
        if (is_project(paths, name)) projects.push_back(name);
    }
    return projects;
}

/// Every container of every project that has claims. Those of one that is gone may be unreadable:
/// they hold up nobody.
Result<std::vector<Holder>> holders(const Paths& paths) {
    std::vector<Holder> all;
    const std::vector<std::string> projects = TRY(projects_up(paths));
    for (const std::string& project : projects) {
        const std::vector<std::string> names = TRY(list_directory(paths.run_project(project)));
        for (const std::string& name : names) {
            if (name.starts_with('.')) continue;
            const std::string run_dir = paths.run_container(project, name);
            Result<ContainerClaims> claims = read_claims(run_dir);
            if (claims)
                all.push_back({project, name, run_dir, *std::move(claims)});
            else if (is_alive(run_dir))
                return std::move(claims).error();
            else
                log::warn("stack", "{}, ignoring", claims.error().to_string());
        }
    }
    return all;
}

/// Which networks are meant: those with bridges, which rules are about, or all.
enum class Which { Bridged, All };

Result<void> gather_networks(const Paths& paths, const std::string& project, Which which,
                             std::vector<network::RuleNetwork>& networks) {
    const std::string folder = networks_folder(paths, project);
    const std::vector<std::string> files = TRY(list_directory(folder));
    for (const std::string& file : files) {
        if (!file.ends_with(".json")) continue;  // a write that was cut short
        bool shared = false;
        Result<network::RuleNetwork> claimed = read_network_claim(folder + "/" + file, shared);
        if (claimed && shared && which == Which::Bridged) continue;
        if (claimed)
            networks.push_back(*std::move(claimed));
        else if (claimed.error().kind() != ErrorKind::NotFound)
            return std::move(claimed).error();
    }
    return {};
}

}  // namespace

Result<FileLock> lock_host(const Paths& paths) {
    return FileLock::exclusive(paths.run_root + kHostLock);
}

Result<void> write_claims(const std::string& run_dir, const ContainerClaims& claims) {
    Json ports = Json::array();
    for (const network::RulePort& port : claims.ports) ports.push_back(port_json(port));
    Json endpoints = Json::array();
    for (const EndpointClaim& one : claims.endpoints)
        endpoints.push_back(
            {{"bridge", one.bridge}, {"addresses", one.addresses}, {"names", one.names}});
    Json guarded = Json::array();
    for (const network::GuardedPort& port : claims.guarded) guarded.push_back(guarded_json(port));
    FAILPOINT("claims.container");
    return write_json(claims_file(run_dir),
                      {{"version", kVersion},
                       {"uid_base", claims.uid_base},
                       {"published", claims.published},
                       {"endpoints", std::move(endpoints)},
                       {"guarded", std::move(guarded)},
                       {"ports", std::move(ports)}},
                      Sync::No);
}

Result<ContainerClaims> read_claims(const std::string& run_dir) {
    ContainerClaims claims;
    const Result<Json> json = read_record(claims_file(run_dir), kVersion);
    if (!json) {
        if (json.error().kind() == ErrorKind::NotFound) return claims;
        return json.error();
    }
    claims.uid_base = static_cast<std::uint32_t>(integer_or(*json, "uid_base"));
    claims.published = json->value("published", false);
    if (const auto ports = json->find("ports"); ports != json->end()) {
        for (const Json& entry : *ports) {
            network::RulePort port = TRY(parse_port(entry));
            claims.ports.push_back(std::move(port));
        }
    }
    if (const auto endpoints = json->find("endpoints"); endpoints != json->end())
        for (const Json& entry : *endpoints) claims.endpoints.push_back(endpoint_of(entry));
    if (const auto guarded = json->find("guarded"); guarded != json->end()) {
        for (const Json& entry : *guarded) {
            network::GuardedPort port = TRY(parse_guarded(entry));
            claims.guarded.push_back(std::move(port));
        }
    }
    return claims;
}

Result<void> write_network_claim(const Paths& paths, const NetworkRecord& record) {
    const std::string folder = networks_folder(paths, record.project);
    TRY(make_directories(folder, 0700));
    FAILPOINT("claims.network");
    Json subnets = Json::array();
    for (const SubnetRecord& subnet : record.subnets) subnets.push_back(subnet.subnet);
    return write_json(folder + "/" + record.name + ".json",
                      {{"version", kVersion},
                       {"bridge", record.bridge},
                       {"driver", record.driver},
                       {"subnets", std::move(subnets)},
                       {"internal", record.internal},
                       {"masquerade", record.masquerade},
                       {"icc", record.icc}},
                      Sync::No);
}

Result<std::vector<NetworkRecord>> stray_bridges(
    const Paths& paths, const std::string& project,
    const std::map<std::string, NetworkRecord>& known) {
    std::vector<NetworkRecord> strays;
    constexpr std::string_view kSuffix = ".json";
    for (const std::string& file : TRY(list_directory(networks_folder(paths, project)))) {
        const std::string name =
            file.substr(0, file.size() - std::min(file.size(), kSuffix.size()));
        const auto record = known.find(name);
        const bool whole = record != known.end() && !record->second.bridge.empty();
        if (!file.ends_with(kSuffix) || whole) continue;
        bool shared = false;
        const auto claim = read_network_claim(networks_folder(paths, project) + "/" + file, shared);
        // One that can't be read has nothing to be found by; it goes with the run folder.
        if (!claim || shared || !TRY(network::link_exists(claim->bridge))) continue;
        NetworkRecord stray;
        stray.name = name;
        stray.project = project;
        stray.bridge = claim->bridge;
        strays.push_back(std::move(stray));
    }
    return strays;
}

void mend_claims(const Paths& paths, const std::string& project) {
    const Result<std::map<std::string, NetworkRecord>> networks = read_networks(paths, project);
    if (!networks) return;
    const auto damaged = [](const auto& read) {
        return !read && read.error().kind() == ErrorKind::InvalidInput;
    };
    const auto mended = [](const Result<void>& written, const std::string& name) {
        if (written)
            log::warn("stack", "what '{}' claims was damaged: written anew from its record", name);
        else
            log::warn("stack", "{}", written.error().to_string());
    };
    for (const auto& [name, record] : *networks) {
        bool shared = false;
        if (damaged(
                read_network_claim(networks_folder(paths, project) + "/" + name + ".json", shared)))
            mended(write_network_claim(paths, record), name);
    }
    // Records are only read where one is needed: this comes before every command that changes.
    const Result<std::vector<std::string>> names = list_directory(paths.containers(project));
    if (!names) return;
    std::atomic<bool> any = false;
    (void)in_parallel(names->size(), kWorthAThread, [&](std::size_t i) -> Result<void> {
        if (damaged(read_claims(paths.run_container(project, (*names)[i])))) any = true;
        return {};
    });
    if (!any) return;
    const Result<std::map<std::string, ContainerRecord>> containers =
        read_containers(paths, project);
    if (!containers) return;
    for (const auto& [name, record] : *containers) {
        const std::string run_dir = paths.run_container(project, name);
        if (!damaged(read_claims(run_dir))) continue;
        Result<ContainerClaims> claims = claims_of(record, *networks);
        if (!claims) continue;
        claims->published = is_up(run_dir);
        mended(write_claims(run_dir, *claims), name);
    }
}

Result<void> remove_network_claim(const Paths& paths, const NetworkRecord& record) {
    TRY(remove_tree(networks_folder(paths, record.project) + "/" + record.name + ".json"));
    // Files of containers that were killed; the folder of all zones goes with the last network.
    if (!record.bridge.empty()) TRY(remove_tree(zone_folder(paths, record.bridge)));
    ::rmdir((paths.run_root + kZones).c_str());
    return {};
}

Result<void> write_project_claim(const Paths& paths, const std::string& project) {
    TRY(make_directories(paths.run_project(project), 0700));
    FAILPOINT("claims.project");
    return write_json(paths.run_project(project) + "/.project.json",
                      {{"version", kVersion}, {"data_root", paths.data_root}}, Sync::No);
}

Result<network::Ruleset> gather_rules(const Paths& paths) {
    network::Ruleset rules;
    const std::vector<std::string> projects = TRY(projects_up(paths));
    for (const std::string& project : projects)
        TRY(gather_networks(paths, project, Which::Bridged, rules.networks));
    const std::vector<Holder> all = TRY(holders(paths));
    for (const Holder& one : all) {
        const auto& ports = one.claims.ports;
        if (!one.claims.published) continue;
        // Of one that has ended the links are gone, and what is said of them matters to nobody.
        const auto& guarded = one.claims.guarded;
        rules.guarded.insert(rules.guarded.end(), guarded.begin(), guarded.end());
        if (!ports.empty() && is_up(one.run_dir))
            rules.ports.insert(rules.ports.end(), ports.begin(), ports.end());
    }
    return rules;
}

Result<std::set<std::uint32_t>> used_id_ranges(const Paths& paths) {
    std::set<std::uint32_t> used;
    const std::vector<Holder> all = TRY(holders(paths));
    for (const Holder& one : all) {
        if (one.claims.uid_base != 0) used.insert(one.claims.uid_base);
    }
    return used;
}

Result<std::map<std::string, std::set<network::Ip>>> claimed_addresses(const Paths& paths,
                                                                       const std::string& project) {
    std::map<std::string, std::set<network::Ip>> claimed;
    const std::vector<Holder> all = TRY(holders(paths));
    for (const Holder& one : all) {
        if (one.project == project) continue;
        for (const EndpointClaim& endpoint : one.claims.endpoints) {
            for (const std::string& text : endpoint.addresses) {
                const Result<network::Ip> ip = network::parse_ip(text);
                if (ip) claimed[endpoint.bridge].insert(*ip);
            }
        }
    }
    return claimed;
}

Result<std::string> holder_of_port(const Paths& paths, const network::RulePort& port) {
    const std::vector<Holder> all = TRY(holders(paths));
    for (const Holder& one : all) {
        for (const network::RulePort& held : one.claims.ports) {
            const bool same_address =
                !held.host_ip || !port.host_ip || *held.host_ip == *port.host_ip;
            if (held.host_port == port.host_port && held.protocol == port.protocol &&
                same_address && is_alive(one.run_dir))
                return one.project + "/" + one.name;
        }
    }
    return std::string();
}

Result<std::vector<std::string>> guests_of(const Paths& paths, const std::string& bridge,
                                           const std::string& project) {
    std::vector<std::string> guests;
    const std::vector<Holder> all = TRY(holders(paths));
    for (const Holder& one : all) {
        const auto& endpoints = one.claims.endpoints;
        const bool on_it = std::any_of(endpoints.begin(), endpoints.end(),
                                       [&](const auto& e) { return e.bridge == bridge; });
        if (on_it && one.project != project && is_alive(one.run_dir)) guests.push_back(one.name);
    }
    return guests;
}

Result<std::vector<network::Cidr>> claimed_subnets(const Paths& paths, const std::string& except) {
    std::vector<network::RuleNetwork> networks;
    const std::vector<std::string> projects = TRY(projects_up(paths));
    for (const std::string& project : projects)
        TRY(gather_networks(paths, project, Which::All, networks));
    std::vector<network::Cidr> subnets;
    for (const network::RuleNetwork& one : networks) {
        if (one.bridge != except)
            subnets.insert(subnets.end(), one.subnets.begin(), one.subnets.end());
    }
    return subnets;
}

std::string zone_folder(const Paths& paths, const std::string& bridge) {
    return paths.run_root + kZones + "/" + bridge;
}

std::string zone_file(const std::string& project, const std::string& container) {
    return project + "." + container;  // a project has no dot in its name
}

Result<void> write_zones(const Paths& paths, const std::string& project,
                         const std::string& container, const ContainerClaims& claims) {
    for (const EndpointClaim& endpoint : claims.endpoints) {
        if (endpoint.bridge.empty()) continue;
        const std::string folder = zone_folder(paths, endpoint.bridge);
        TRY(make_directories(folder, 0700));
        FAILPOINT("claims.names");
        TRY(write_atomically(folder + "/" + zone_file(project, container),
                             fmt::format("{}\n{}\n", fmt::join(endpoint.addresses, " "),
                                         fmt::join(endpoint.names, " ")),
                             0600, Sync::No));
    }
    return {};
}

void remove_zones(const Paths& paths, const std::string& project, const std::string& container,
                  const ContainerClaims& claims) {
    const std::string file = "/" + zone_file(project, container);
    for (const EndpointClaim& endpoint : claims.endpoints)
        ::unlink((zone_folder(paths, endpoint.bridge) + file).c_str());
}

void sweep_zones(const Paths& paths) {
    const std::string all = paths.run_root + kZones;
    const Result<std::vector<std::string>> bridges = list_directory(all);
    for (const std::string& bridge : bridges ? *bridges : std::vector<std::string>())
        remove_half_written(all + "/" + bridge);
}

Result<void> tidy_run_root(const Paths& paths, const std::string& project) {
    const FileLock lock = TRY(lock_host(paths));
    FAILPOINT("claims.tidy");
    // A claim without a record: killed, or failed, before the network was made. Others may have
    // loaded rules meanwhile, which have it in them.
    const std::vector<std::string> unmade = TRY(list_directory(networks_folder(paths, project)));
    TRY(remove_tree(networks_folder(paths, project)));
    if (!unmade.empty()) {
        const network::Ruleset rules = TRY(gather_rules(paths));
        // Rules of no bridge harm nobody: the next load takes them away.
        if (const Result<void> loaded = network::apply(rules); !loaded)
            log::warn("stack", "load the packet rules: {}, ignoring", loaded.error().to_string());
    }
    std::vector<std::string> left = TRY(list_directory(paths.run_project(project)));
    // Its own claim, also one whose writer was killed before the rename, holds nothing.
    std::erase_if(left, [](const std::string& name) { return name.starts_with(".project.json"); });
    if (left.empty()) TRY(remove_tree(paths.run_project(project)));
    const std::vector<std::string> projects = TRY(projects_up(paths));
    if (!projects.empty()) return {};
    TRY(remove_tree(paths.run_root + kZones));
    // The last one turns out the light: compiled filters, the lock, the folder.
    const std::vector<std::string> names = TRY(list_directory(paths.run_root));
    for (const std::string& name : names) {
        if (name.ends_with(".bpf") || name.ends_with(".tmp") || "/" + name == kHostLock ||
            name == "rules.lock" || name == "fence.lock")
            ::unlink((paths.run_root + "/" + name).c_str());
    }
    ::rmdir(paths.run_root.c_str());  // stays where something else is in it
    return {};
}

}  // namespace davit::stack
