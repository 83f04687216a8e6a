#include "stack/claims.h"

#include "base/json.h"

#include <unistd.h>

namespace davit::stack {
namespace {

constexpr int kVersion = 1;

std::string networks_folder(const Paths& paths, const std::string& project) {
    return paths.run_project(project) + "/.networks";
}

std::string claims_file(const std::string& run_dir) { return run_dir + "/claims.json"; }

bool is_project(const Paths& paths, const std::string& name) {
    return exists(paths.run_project(name) + "/.project.json");
}

Json port_json(const network::RulePort& port) {
    return {{"protocol", port.protocol},
            {"host_ip", port.any_address ? std::string() : to_string(port.host_ip)},
            {"host_port", port.host_port},
            {"target_ip", to_string(port.target)},
            {"target_port", port.target_port}};
}

Result<network::RulePort> parse_port(const Json& json) {
    network::RulePort port;
    port.protocol = string_or(json, "protocol", "tcp");
    const std::string host_ip = string_or(json, "host_ip");
    port.any_address = host_ip.empty();
    if (!port.any_address) port.host_ip = TRY(network::parse_ipv4(host_ip));
    port.host_port = static_cast<std::uint16_t>(integer_or(json, "host_port"));
    port.target = TRY(network::parse_ipv4(string_or(json, "target_ip")));
    port.target_port = static_cast<std::uint16_t>(integer_or(json, "target_port"));
    return port;
}

Result<network::RuleNetwork> read_network_claim(const std::string& path) {
    const Json json = TRY(read_record(path, kVersion));
    network::RuleNetwork claimed;
    claimed.bridge = string_or(json, "bridge");
    claimed.subnet = TRY(network::parse_cidr4(string_or(json, "subnet")));
    return claimed;
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

/// Run folders of a project's containers.
Result<std::vector<std::string>> container_folders(const Paths& paths, const std::string& project) {
    std::vector<std::string> folders;
    const std::vector<std::string> names = TRY(list_directory(paths.run_project(project)));
    for (const std::string& name : names) {
        if (!name.starts_with('.')) folders.push_back(paths.run_container(project, name));
    }
    return folders;
}

Result<void> gather_networks(const Paths& paths, const std::string& project,
                             std::vector<network::RuleNetwork>& networks) {
    const std::string folder = networks_folder(paths, project);
    const std::vector<std::string> files = TRY(list_directory(folder));
    for (const std::string& file : files) {
        if (!file.ends_with(".json")) continue;  // a write that was cut short
        Result<network::RuleNetwork> claimed = read_network_claim(folder + "/" + file);
        if (claimed)
            networks.push_back(*std::move(claimed));
        else if (claimed.error().kind() != ErrorKind::NotFound)
            return std::move(claimed).error();
    }
    return {};
}

}  // namespace

Result<FileLock> lock_host(const Paths& paths) {
    return FileLock::exclusive(paths.run_root + "/lock");
}

Result<ContainerClaims> claims_of(const ContainerRecord& record) {
    ContainerClaims claims;
    claims.uid_base = record.uid_base;
    if (record.endpoints.empty()) return claims;
    const network::Ipv4 target = TRY(network::parse_ipv4(record.endpoints.front().ip));
    for (const compose::Port& port : record.ports) {
        network::RulePort rule;
        rule.protocol = port.protocol;
        rule.any_address = port.host_ip.empty() || port.host_ip == "0.0.0.0";
        if (!rule.any_address) {
            const Result<network::Ipv4> ip = network::parse_ipv4(port.host_ip);
            if (!ip) continue;  // an IPv6 address: the guard relays it
            rule.host_ip = *ip;
        }
        rule.host_port = port.published;
        rule.target = target;
        rule.target_port = port.target;
        claims.ports.push_back(std::move(rule));
    }
    return claims;
}

Result<void> write_claims(const std::string& run_dir, const ContainerClaims& claims) {
    Json ports = Json::array();
    for (const network::RulePort& port : claims.ports) ports.push_back(port_json(port));
    return write_json(claims_file(run_dir),
                      {{"version", kVersion},
                       {"uid_base", claims.uid_base},
                       {"published", claims.published},
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
    return claims;
}

Result<void> write_network_claim(const Paths& paths, const NetworkRecord& record) {
    const std::string folder = networks_folder(paths, record.project);
    TRY(make_directories(folder, 0700));
    return write_json(folder + "/" + record.name + ".json",
                      {{"version", kVersion}, {"bridge", record.bridge}, {"subnet", record.subnet}},
                      Sync::No);
}

Result<void> remove_network_claim(const Paths& paths, const NetworkRecord& record) {
    return remove_tree(networks_folder(paths, record.project) + "/" + record.name + ".json");
}

Result<void> write_project_claim(const Paths& paths, const std::string& project) {
    TRY(make_directories(paths.run_project(project), 0700));
    return write_json(paths.run_project(project) + "/.project.json",
                      {{"version", kVersion}, {"data_root", paths.data_root}}, Sync::No);
}

Result<network::Ruleset> gather_rules(const Paths& paths) {
    network::Ruleset rules;
    const std::vector<std::string> projects = TRY(projects_up(paths));
    for (const std::string& project : projects) {
        TRY(gather_networks(paths, project, rules.networks));
        const std::vector<std::string> folders = TRY(container_folders(paths, project));
        for (const std::string& folder : folders) {
            const ContainerClaims claims = TRY(read_claims(folder));
            if (!claims.published) continue;
            rules.ports.insert(rules.ports.end(), claims.ports.begin(), claims.ports.end());
        }
    }
    return rules;
}

Result<std::set<std::uint32_t>> used_id_ranges(const Paths& paths) {
    std::set<std::uint32_t> used;
    const std::vector<std::string> projects = TRY(projects_up(paths));
    for (const std::string& project : projects) {
        const std::vector<std::string> folders = TRY(container_folders(paths, project));
        for (const std::string& folder : folders) {
            const ContainerClaims claims = TRY(read_claims(folder));
            if (claims.uid_base != 0) used.insert(claims.uid_base);
        }
    }
    return used;
}

Result<std::vector<network::Cidr4>> claimed_subnets(const Paths& paths) {
    std::vector<network::RuleNetwork> networks;
    const std::vector<std::string> projects = TRY(projects_up(paths));
    for (const std::string& project : projects) TRY(gather_networks(paths, project, networks));
    std::vector<network::Cidr4> subnets;
    for (const network::RuleNetwork& one : networks) subnets.push_back(one.subnet);
    return subnets;
}

Result<void> tidy_run_root(const Paths& paths, const std::string& project) {
    const FileLock lock = TRY(lock_host(paths));
    // A claim without a record: killed before the network was made.
    TRY(remove_tree(networks_folder(paths, project)));
    std::vector<std::string> left = TRY(list_directory(paths.run_project(project)));
    // Its own claim, also one whose writer was killed before the rename, holds nothing.
    std::erase_if(left, [](const std::string& name) { return name.starts_with(".project.json"); });
    if (left.empty()) TRY(remove_tree(paths.run_project(project)));
    const std::vector<std::string> projects = TRY(projects_up(paths));
    if (!projects.empty()) return {};
    // The last one turns out the light: compiled filters, the lock, the folder.
    const std::vector<std::string> names = TRY(list_directory(paths.run_root));
    for (const std::string& name : names) {
        if (name.ends_with(".bpf") || name.ends_with(".tmp") || name == "lock")
            ::unlink((paths.run_root + "/" + name).c_str());
    }
    ::rmdir(paths.run_root.c_str());  // stays where something else is in it
    return {};
}

}  // namespace davit::stack
