#include "cli/commands/network.h"

#include "base/file.h"
#include "base/strings.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/inspect_text.h"
#include "cli/intents.h"
#include "cli/render.h"
#include "cli/row_format.h"
#include "cli/selection.h"
#include "cli/target.h"
#include "stack/networks.h"
#include "stack/rules.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace davit::cli {
namespace {

using stack::NetworkView;

constexpr std::size_t kShortId = 12;

Result<stack::Environment> environment_of(const Context& context) {
    stack::Environment environment;
    environment.paths.run_root = run_root(context);
    environment.paths.data_root = TRY(image_data_root(context));
    environment.address_pools = TRY(read_host_config()).address_pools;
    return environment;
}

bool has_family(const NetworkView& network, bool v6) {
    const auto& subnets = network.record.subnets;
    return std::any_of(subnets.begin(), subnets.end(), [&](const stack::SubnetRecord& subnet) {
        return (subnet.subnet.find(':') != std::string::npos) == v6;
    });
}

const char* word(bool value) { return value ? "true" : "false"; }

/// The keys of `docker network ls --format json`.
Json row_of(const NetworkView& network, bool whole_id) {
    std::string labels;
    for (const auto& [key, value] : network.labels)
        labels += fmt::format("{}{}={}", labels.empty() ? "" : ",", key, value);
    return {{"CreatedAt", network.record.created},
            {"Driver", network.record.driver},
            {"ID", whole_id ? network.id : network.id.substr(0, kShortId)},
            {"IPv4", word(has_family(network, false))},
            {"IPv6", word(has_family(network, true))},
            {"Internal", word(network.record.internal)},
            {"Labels", labels},
            {"Name", network.record.name},
            {"Scope", "local"}};
}

Json address_of(const std::string& ip, int prefix) {
    return ip.empty() ? std::string() : fmt::format("{}/{}", ip, prefix);
}

/// The object of `docker network inspect`.
Json whole(const NetworkView& network) {
    const stack::NetworkRecord& record = network.record;
    Json pools = Json::array();
    for (const stack::SubnetRecord& subnet : record.subnets) {
        Json pool = {{"Subnet", subnet.subnet}, {"Gateway", subnet.gateway}};
        if (!subnet.range.empty()) pool["IPRange"] = subnet.range;
        if (!subnet.reserved.empty()) pool["AuxiliaryAddresses"] = subnet.reserved;
        pools.push_back(std::move(pool));
    }
    Json containers = Json::object();
    for (const stack::NetworkUser& user : network.users) {
        if (!user.running) continue;
        const stack::Endpoint& endpoint = user.endpoint;
        containers[user.id] = {{"Name", user.name},
                               {"EndpointID", user.id},
                               {"MacAddress", endpoint.mac},
                               {"IPv4Address", address_of(endpoint.ip, endpoint.prefix)},
                               {"IPv6Address", address_of(endpoint.ip6, endpoint.prefix6)}};
    }
    return {{"Name", record.name},
            {"Id", network.id},
            {"Created", record.created},
            {"Scope", "local"},
            {"Driver", record.driver},
            {"EnableIPv4", has_family(network, false)},
            {"EnableIPv6", has_family(network, true)},
            {"IPAM", {{"Driver", "default"}, {"Options", nullptr}, {"Config", std::move(pools)}}},
            {"Internal", record.internal},
            {"Attachable", false},
            {"Ingress", false},
            {"ConfigFrom", {{"Network", ""}}},
            {"ConfigOnly", false},
            {"Containers", std::move(containers)},
            {"Options", record.options},
            {"Labels", network.labels}};
}

/// @source docker/cli cli/command/network/formatter.go
RowKind network_kind() {
    return {{{"ID", "NETWORK ID"},
             {"Name", "NAME"},
             {"Driver", "DRIVER"},
             {"Scope", "SCOPE"},
             {"IPv4", "IPV4"},
             {"IPv6", "IPV6"},
             {"Internal", "INTERNAL"},
             {"Labels", "LABELS"},
             {"CreatedAt", "CREATED AT"}},
            {"ID", "Name", "Driver", "Scope"}};
}

/// `--filter` of `network ls`. @source docker network ls, "Filtering"
Result<bool> takes(const NetworkView& network, const std::string& filter) {
    const std::size_t equals = filter.find('=');
    const std::string key = filter.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : filter.substr(equals + 1);
    if (key == "name") return network.record.name.find(value) != std::string::npos;
    if (key == "id") return network.id.starts_with(value);
    if (key == "driver") return network.record.driver == value;
    if (key == "scope") return value == "local";
    if (key == "type") return value == "custom";
    if (key == "dangling") return (value == "true" || value == "1") == network.users.empty();
    if (key == "label") {
        const std::size_t at = value.find('=');
        const auto label = network.labels.find(value.substr(0, at));
        return label != network.labels.end() &&
               (at == std::string::npos || label->second == value.substr(at + 1));
    }
    return Error(ErrorKind::InvalidInput, fmt::format("invalid filter '{}'", key))
        .help("use name, id, driver, scope, type, label or dangling");
}

Result<std::map<std::string, std::string>> pairs(const std::vector<std::string>& words,
                                                 const char* flag) {
    std::map<std::string, std::string> table;
    for (const std::string& one : words) {
        const std::size_t equals = one.find('=');
        if (equals == 0 || one.empty())
            return Error(ErrorKind::InvalidInput, fmt::format("'{}' of {} has no name", one, flag))
                .help("write it as NAME=VALUE");
        table[one.substr(0, equals)] =
            equals == std::string::npos ? std::string() : one.substr(equals + 1);
    }
    return table;
}

}  // namespace

void declare(CLI::App& command, NetworkListFlags& flags) {
    command.add_flag("-q,--quiet", flags.quiet, "Only ids");
    command.add_flag("--no-trunc", flags.no_trunc, "Whole ids");
    command.add_option("--format", flags.format,
                       "table, json (one object a line), a template or table TEMPLATE");
    command
        .add_option("-f,--filter", flags.filters,
                    "name=, id=, driver=, label=, scope=, type= or dangling=true")
        ->allow_extra_args(false);
}

Result<int> run(const Context& context, const NetworkListFlags& flags) {
    const stack::Environment environment = TRY(environment_of(context));
    std::vector<NetworkView> chosen;
    for (NetworkView& network : TRY(stack::list_networks(environment.paths))) {
        bool wanted = true;
        for (const std::string& filter : flags.filters)
            wanted = TRY(takes(network, filter)) && wanted;
        if (wanted) chosen.push_back(std::move(network));
    }
    std::vector<ListedRow> rows;
    for (const NetworkView& network : chosen)
        rows.push_back({row_of(network, flags.no_trunc), network.labels});
    const char* wanted = flags.quiet ? "{{.ID}}" : flags.format.c_str();
    const RowFormat format = TRY(RowFormat::parse(wanted, network_kind()));
    to_stdout(TRY(format.text(rows)));
    return kOk;
}

void declare(CLI::App& command, NetworkInspectFlags& flags) {
    command.add_option("-f,--format", flags.format, "A template such as '{{.Id}}'");
    command.add_option("NETWORK", flags.names, "Networks")->required();
}

Result<int> run(const Context& context, const NetworkInspectFlags& flags) {
    const stack::Environment environment = TRY(environment_of(context));
    const std::vector<NetworkView> networks = TRY(stack::list_networks(environment.paths));
    Json all = Json::array();
    int status = kOk;
    for (const std::string& name : flags.names) {
        const Result<NetworkView> network = stack::find_network_view(networks, name);
        if (network) {
            all.push_back(whole(*network));
            continue;
        }
        to_stderr(render(network.error(), context.terminal.err_colour));
        status = kFailed;
    }
    TRY(show_inspected(flags.format, all));
    return status;
}

void declare(CLI::App& command, NetworkCreateFlags& flags) {
    const auto list = [&](const char* name, std::vector<std::string>& words, const char* about) {
        command.add_option(name, words, about)->allow_extra_args(false);
    };
    command.add_option("-d,--driver", flags.driver, "Driver: bridge, macvlan or ipvlan");
    list("--subnet", flags.subnets, "Subnet as 10.20.0.0/24; may be repeated");
    list("--gateway", flags.gateways, "Gateway of a subnet");
    list("--ip-range", flags.ranges, "Part of a subnet that addresses are chosen from");
    list("--aux-address", flags.reserved, "NAME=ADDRESS that is kept free");
    list("--label", flags.labels, "NAME=VALUE; may be repeated");
    list("-o,--opt", flags.options, "Option of the driver: NAME=VALUE");
    command.add_flag("--internal", flags.internal, "No way out and no way in");
    command.add_flag("--ipv6", flags.ipv6, "With IPv6");
    command.add_flag("--attachable", flags.attachable, "Accepted: every network is");
    command.add_option("NETWORK", flags.name, "Name")->required();
}

Result<int> run(const Context& context, const NetworkCreateFlags& flags) {
    const stack::Environment environment = TRY(environment_of(context));
    stack::NewNetwork wanted;
    wanted.name = flags.name;
    wanted.driver = flags.driver;
    wanted.subnets = flags.subnets;
    wanted.gateways = flags.gateways;
    wanted.ranges = flags.ranges;
    wanted.reserved = flags.reserved;
    wanted.labels = TRY(pairs(flags.labels, "--label"));
    wanted.options = TRY(pairs(flags.options, "--opt"));
    wanted.internal = flags.internal;
    wanted.ipv6 = flags.ipv6;
    if (context.globals.dry_run) {
        TRY(stack::network_of(wanted));
        return tell_intents({{'+', "create", "network", wanted.name}});
    }
    to_stdout(TRY(stack::create_network(environment, wanted)) + "\n");
    return kOk;
}

void declare(CLI::App& command, NetworkRemoveFlags& flags) {
    command.add_flag("-f,--force", flags.force, "One that is not there is no error");
    command.add_option("NETWORK", flags.names, "Networks")->required();
}

Result<int> run(const Context& context, const NetworkRemoveFlags& flags) {
    const stack::Environment environment = TRY(environment_of(context));
    int status = kOk;
    const auto remove = [&](const std::string& name) -> Result<void> {
        if (!context.globals.dry_run) return stack::remove_network(environment, name);
        TRY(stack::removable_network(environment.paths, name));
        return {};
    };
    for (const std::string& name : flags.names) {
        const Result<void> removed = remove(name);
        if (removed) {
            to_stdout(context.globals.dry_run ? intents_text({{'-', "remove", "network", name}})
                                              : printable(name) + "\n");
            continue;
        }
        if (flags.force && removed.error().kind() == ErrorKind::NotFound) continue;
        to_stderr(render(removed.error(), context.terminal.err_colour));
        status = kFailed;
    }
    return status;
}

void declare(CLI::App& command, NetworkPruneFlags& flags) {
    command.add_flag("-f,--force", flags.force, "Don't ask");
}

Result<int> run(const Context& context, const NetworkPruneFlags& flags) {
    const std::string question =
        "WARNING! This will remove all custom networks not used by at least one container.\n"
        "Are you sure you want to continue? [y/N] ";
    const stack::Environment environment = TRY(environment_of(context));
    if (context.globals.dry_run) {
        std::vector<Intent> intents;
        for (const NetworkView& network : TRY(stack::list_networks(environment.paths)))
            if (network.users.empty())
                intents.push_back(
                    {'-', "remove", "network", network.record.name, "no container is on it"});
        return tell_intents(intents);
    }
    if (!flags.force && !confirmed(question)) return kOk;
    std::string text;
    for (const std::string& name : TRY(stack::prune_networks(environment))) text += name + "\n";
    if (!text.empty()) to_stdout("Deleted Networks:\n" + text + "\n");
    return kOk;
}

void declare(CLI::App&, NetworkReloadFlags&) {}

/// What a guard runs when somebody has flushed the rules: it needs no data root and no file.
Result<int> run(const Context& context, const NetworkReloadFlags&) {
    stack::Paths paths;
    paths.run_root = run_root(context);
    if (!exists(paths.run_root)) return kOk;  // nothing is up
    if (context.globals.dry_run)
        return tell_intents({{'~', "load", "rules", "inet davit", "from what is up"}});
    stack::RuleUpdater rules(paths);
    TRY(rules.update());
    return kOk;
}

}  // namespace davit::cli
