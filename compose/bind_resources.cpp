#include "base/file.h"
#include "base/strings.h"
#include "compose/bind.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstdint>
#include <fmt/format.h>

// Ports and mounts of a service, volumes and networks of the project.
namespace davit::compose {
namespace {

std::optional<std::uint16_t> port_number(const std::string& text) {
    const auto number = parse_integer(text);
    if (!number || *number < 0 || *number > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(*number);
}

void bind_port(const Node& node, Service& service, Diagnostics& diagnostics) {
    Port port;
    port.host_ip = text_at(node, "host_ip");
    port.protocol = text_at(node, "protocol");
    std::transform(port.protocol.begin(), port.protocol.end(), port.protocol.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (port.protocol != "tcp" && port.protocol != "udp") {
        const bool known = port.protocol == "sctp";
        diagnostics.error(known ? std::string("the protocol 'sctp' is not supported yet")
                                : fmt::format("'{}' is not a protocol", printable(port.protocol)),
                          place_of_item(node), "use tcp or udp");
        return;
    }
    const Node* target = node.find("target");
    const Node* published = node.find("published");
    const auto inside = target != nullptr ? port_number(target->text) : std::nullopt;
    if (!inside || *inside == 0) {
        if (target != nullptr && !target->refused)
            diagnostics.error(fmt::format("{} is not a port of the container", target->text),
                              target->place(), "ports of a container are 1 to 65535");
        return;
    }
    port.target = *inside;
    if (published != nullptr && published->is_scalar() && !published->text.empty()) {
        const auto outside = port_number(published->text);
        if (!outside) {
            const bool range = published->text.find('-') != std::string::npos;
            diagnostics.error(
                range ? std::string("one free port out of a range of the host is not supported yet")
                      : fmt::format("'{}' is not a port of the host", printable(published->text)),
                published->key_pos ? published->place() : place_of_item(node),
                "name one port of the host, 1 to 65535, or none for any free one");
            return;
        }
        port.published = *outside;
    }
    service.ports.push_back(std::move(port));
}

/// What is wrong with `text` as an IPv4 network; empty where nothing is.
std::string subnet_problem(const std::string& text) {
    const std::size_t slash = text.find('/');
    const std::string address = text.substr(0, slash);
    in6_addr v6{};
    if (::inet_pton(AF_INET6, address.c_str(), &v6) == 1) return "IPv6 is not supported yet";
    in_addr v4{};
    if (::inet_pton(AF_INET, address.c_str(), &v4) != 1) return "it doesn't begin with an address";
    if (slash == std::string::npos) return "it has no '/' and number of bits behind the address";
    const auto bits = parse_integer(text.substr(slash + 1));
    if (!bits || *bits < 8 || *bits > 29) return "the number of bits must be 8 to 29";
    const std::uint32_t host_bits = 0xFFFFFFFFU >> static_cast<unsigned>(*bits);
    if ((ntohl(v4.s_addr) & host_bits) != 0) return "the bits behind the network must be 0";
    return {};
}

void bind_driver(const Node& node, std::initializer_list<const char*> known, const char* what,
                 Diagnostics& diagnostics) {
    const std::string driver = text_at(node, "driver");
    if (driver.empty() || std::find(known.begin(), known.end(), driver) != known.end()) return;
    diagnostics.error(
        fmt::format("the {} driver '{}' is not supported yet", what, printable(driver)),
        node.find("driver")->place(),
        fmt::format("use '{}', or leave 'driver' out", *known.begin()));
}

}  // namespace

void bind_ports(const Node& node, Service& service, Diagnostics& diagnostics) {
    const Node* ports = node.find("ports");
    if (ports == nullptr) return;
    for (const Node& port : ports->items)
        if (port.is_mapping()) bind_port(port, service, diagnostics);
}

void bind_mounts(const Node& node, Service& service, Diagnostics& diagnostics) {
    const Node* volumes = node.find("volumes");
    if (volumes == nullptr) return;
    for (std::size_t i = 0; i < volumes->items.size(); ++i) {
        const Node& item = volumes->items[i];
        if (!item.is_mapping()) continue;
        const std::string type = text_at(item, "type");
        if (type != "bind" && type != "volume") {
            if (!type.empty() && type != "tmpfs")
                diagnostics.error(fmt::format("a mount of type '{}' is not supported yet", type),
                                  place_of_item(item), "use 'bind', 'volume' or 'tmpfs'");
            continue;
        }
        Mount mount;
        mount.type = type == "bind" ? MountType::Bind : MountType::Volume;
        mount.source = text_at(item, "source");
        if (mount.type == MountType::Bind) mount.source = clean_path(mount.source);
        mount.target = text_at(item, "target");
        mount.read_only = true_at(item, "read_only");
        if (const Node* bind = item.find("bind"); bind != nullptr && bind->is_mapping())
            mount.create_host_path = text_at(*bind, "create_host_path") != "false";
        if (mount.target.empty()) {
            if (item.find("target") == nullptr || !item.find("target")->refused)
                diagnostics.error(
                    fmt::format("'services.{}.volumes[{}]' has no 'target'", node.key, i),
                    place_of_item(item), "add 'target: /path/in/the/container'");
            continue;
        }
        if (!mount.target.starts_with('/') || mount.target == "/") {
            diagnostics.error(fmt::format("'services.{}.volumes[{}]' can't be mounted on '{}' in "
                                          "the container",
                                          node.key, i, printable(mount.target)),
                              place_of_item(item), "name an absolute path below '/'");
            continue;
        }
        service.volumes.push_back(std::move(mount));
    }
}

void bind_volume(const Node& node, Volume& volume, Diagnostics& diagnostics) {
    volume.name = bind_name(node, "name", diagnostics);
    volume.external = true_at(node, "external");
    volume.labels = bind_table(node.find("labels"));
    bind_driver(node, {"local"}, "volume", diagnostics);
}

void bind_network(const Node& node, Network& network, Diagnostics& diagnostics) {
    network.name = bind_name(node, "name", diagnostics);
    network.labels = bind_table(node.find("labels"));
    bind_driver(node, {"bridge", "default"}, "network", diagnostics);
    const Node* ipam = node.find("ipam");
    if (ipam == nullptr || !ipam->is_mapping()) return;
    bind_driver(*ipam, {"default", "bridge"}, "address", diagnostics);
    const Node* pools = ipam->find("config");
    if (pools == nullptr) return;
    for (std::size_t i = 0; i < pools->items.size(); ++i) {
        const Node& pool = pools->items[i];
        const Node* subnet = pool.find("subnet");
        if (i > 0) {
            diagnostics.error("a second subnet is not supported yet", place_of_item(pool),
                              "keep one entry in 'config'");
        } else if (subnet != nullptr && subnet->is_scalar()) {
            const std::string problem = subnet_problem(subnet->text);
            if (problem.empty())
                network.subnet = subnet->text;
            else
                diagnostics.error(
                    fmt::format("'{}' is not a subnet: {}", printable(subnet->text), problem),
                    subnet->place(), "write it as 10.20.0.0/24");
        }
    }
}

}  // namespace davit::compose
