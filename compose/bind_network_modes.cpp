#include "base/strings.h"
#include "compose/bind.h"

#include <algorithm>
#include <fmt/format.h>

// Whose network a service has where it has none of its own.
// @source Compose spec 05-services.md#network_mode
namespace davit::compose {
namespace {

bool joins_another(const std::string& mode) {
    return (mode.starts_with("service:") || mode.starts_with("container:")) && !mode.ends_with(':');
}

/// What the container whose network is joined decides on.
/// @source moby runconfig/hostconfig_unix.go validateNetMode
constexpr const char* kDecidedByOwner[] = {"ports",       "hostname", "dns",   "extra_hosts",
                                           "mac_address", "expose",   "links", "domainname"};

void check_joined(const Node& node, const Service& service, Diagnostics& diagnostics) {
    for (const char* key : kDecidedByOwner) {
        const Node* found = node.find(key);
        if (found == nullptr || (found->items.empty() && found->text.empty())) continue;
        diagnostics.error(fmt::format("service '{}' has the network of '{}', which decides on '{}'",
                                      node.key, printable(service.network_mode), key),
                          found->key_pos ? found->key_pos : found->place(),
                          "take it out, or give it to the one whose network it is");
    }
}

/// The driver "host" or "none" that a network stands for, or "".
std::string special_driver(const Network& network) {
    for (const char* driver : {"host", "none"})
        if (network.driver == driver || (network.external && network.name == driver)) return driver;
    return {};
}

/// A network that is the host's, or none, is a mode of the service and no network to be made.
void settle_special_networks(const Project& project, const Node& node, Service& service,
                             Diagnostics& diagnostics) {
    for (const Attachment& attachment : service.networks) {
        const auto network = project.networks.find(attachment.network);
        if (network == project.networks.end()) continue;
        const std::string driver = special_driver(network->second);
        if (driver.empty()) continue;
        if (service.networks.size() > 1) {
            const Node* all = node.find("networks");
            diagnostics.error(
                fmt::format("service '{}' is on network '{}', which leaves no place for others",
                            node.key, attachment.network),
                all != nullptr ? all->place() : node.key_pos, "keep that network alone");
            return;
        }
        service.network_mode = driver;
        service.networks.clear();
        return;
    }
}

void settle_mode(const Node& node, Service& service, Diagnostics& diagnostics) {
    const bool host = service.network_mode == "host";
    // The host's network is not the business of users that are not the host's.
    if (host) service.privileges.host_users = true;
    if ((host || service.network_mode == "none") && !service.ports.empty()) {
        const Node* ports = node.find("ports");
        service.ports.clear();
        diagnostics.warning(
            host
                ? fmt::format("service '{}' has the host's network: its 'ports' publish nothing",
                              node.key)
                : fmt::format("service '{}' has no network: its 'ports' publish nothing", node.key),
            ports != nullptr ? ports->place() : node.key_pos,
            host ? "take 'ports' out: what it listens on is the host's anyway"
                 : "take 'ports' out");
    }
    if (joins_another(service.network_mode)) check_joined(node, service, diagnostics);
}

}  // namespace

void bind_network_mode(const Node& node, Service& service, Diagnostics& diagnostics) {
    const std::string mode = text_at(node, "network_mode");
    if (mode.empty()) return;
    if (mode == "bridge" || mode == "default")
        service.networks.push_back({.network = "default"});
    else if (mode == "none" || mode == "host" || joins_another(mode))
        service.network_mode = mode;
    else
        diagnostics.error(fmt::format("'network_mode: {}' is unknown", printable(mode)),
                          node.find("network_mode")->place(),
                          "use 'none', 'host', 'service:NAME' or 'container:NAME', or name a "
                          "network in 'networks'");
}

void settle_networks(const Node& model, Project& project, Diagnostics& diagnostics) {
    const Node* services = model.find("services");
    if (services == nullptr) return;
    for (const Node& node : services->items) {
        const auto service = project.services.find(node.key);
        if (service == project.services.end()) continue;
        settle_special_networks(project, node, service->second, diagnostics);
        settle_mode(node, service->second, diagnostics);
    }
}

}  // namespace davit::compose
