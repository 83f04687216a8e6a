#include "base/strings.h"
#include "compose/bind.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <fmt/format.h>
#include <net/if.h>

// How a service is connected, and the networks of the project.
// @source Compose spec 05-services.md#networks, 06-networks.md
namespace davit::compose {
namespace {

bool is_ip(const std::string& text, int family) {
    in6_addr buffer{};
    return ::inet_pton(family, text.c_str(), &buffer) == 1;
}
bool is_ip(const std::string& text) { return is_ip(text, AF_INET) || is_ip(text, AF_INET6); }

/// The address at `key`; a remark where it is not one of `family` (0: of either).
std::string address_at(const Node& node, const char* key, int family, Diagnostics& diagnostics) {
    const std::string text = text_at(node, key);
    if (text.empty() || (family == 0 ? is_ip(text) : is_ip(text, family))) return text;
    const char* const kind = family == AF_INET ? "IPv4" : family == AF_INET6 ? "IPv6" : "IP";
    diagnostics.error(fmt::format("'{}' is not an {} address", printable(text), kind),
                      node.find(key)->place(),
                      family == AF_INET6 ? "write it as fd00:1::5" : "write it as 10.20.0.5");
    return {};
}

int number_at(const Node& node, const char* key) {
    const auto number = parse_integer(text_at(node, key));
    return static_cast<int>(std::clamp<std::int64_t>(number.value_or(0), INT32_MIN, INT32_MAX));
}

std::vector<std::string> texts_in(const Node& node, const char* key) {
    std::vector<std::string> texts;
    if (const Node* list = node.find(key))
        for (const Node& item : list->items) texts.push_back(item.text);
    return texts;
}

/// Six pairs of hexadecimal digits with ':' or '-' between them, as "02:42:…"; nothing otherwise.
std::string plain_mac(std::string text) {
    if (text.size() != 17) return {};
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        const bool between = i % 3 == 2;
        if (between ? c != ':' && c != '-' : std::isxdigit(c) == 0) return {};
        text[i] = between ? ':' : static_cast<char>(std::tolower(c));
    }
    // The lowest bit of the first byte: a group, not a station. @source IEEE 802
    const bool group = std::string_view("13579bdf").find(text[1]) != std::string_view::npos;
    return group ? std::string() : text;
}

std::string mac_at(const Node& node, Diagnostics& diagnostics) {
    const std::string text = text_at(node, "mac_address");
    if (text.empty()) return {};
    std::string mac = plain_mac(text);
    if (mac.empty())
        diagnostics.error(fmt::format("'{}' is not the MAC address of a station", printable(text)),
                          node.find("mac_address")->place(), "write it as 02:42:ac:11:00:02");
    return mac;
}

/// @source linux/net/core/dev.c dev_valid_name
bool is_interface_name(const std::string& name) {
    return name.size() < IFNAMSIZ && name != "." && name != ".." && name != "lo" &&
           std::none_of(name.begin(), name.end(), [](unsigned char c) {
               return c == '/' || c == ':' || std::isspace(c) != 0;
           });
}

std::string interface_at(const Node& node, Diagnostics& diagnostics) {
    const std::string name = text_at(node, "interface_name");
    if (is_interface_name(name)) return name;
    diagnostics.error(fmt::format("'{}' can't be the name of an interface", printable(name)),
                      node.find("interface_name")->place(),
                      "use at most 15 letters, without '/', ':' and blanks");
    return {};
}

Attachment bind_attachment(const Node& node, Diagnostics& diagnostics) {
    Attachment attachment;
    attachment.network = node.key;
    if (!node.is_mapping()) return attachment;
    attachment.aliases = texts_in(node, "aliases");
    attachment.ipv4_address = address_at(node, "ipv4_address", AF_INET, diagnostics);
    attachment.ipv6_address = address_at(node, "ipv6_address", AF_INET6, diagnostics);
    attachment.mac_address = mac_at(node, diagnostics);
    attachment.interface_name = interface_at(node, diagnostics);
    attachment.driver_opts = bind_table(node.find("driver_opts"));
    attachment.priority = number_at(node, "priority");
    attachment.gw_priority = number_at(node, "gw_priority");
    const Node* local = node.find("link_local_ips");
    for (const Node& item : local != nullptr ? local->items : std::vector<Node>()) {
        if (is_ip(item.text))
            attachment.link_local_ips.push_back(item.text);
        else
            diagnostics.error(fmt::format("'{}' is not an IP address", printable(item.text)),
                              item.place(), "write it as 169.254.8.8");
    }
    return attachment;
}

/// "name:alias", the alias being the name where none is said.
void bind_links(const Node& node, const char* key, std::vector<std::string>& links) {
    for (const std::string& link : texts_in(node, key))
        links.push_back(link.find(':') == std::string::npos ? link + ":" + link : link);
}

}  // namespace

void bind_networks(const Node& node, Service& service, Diagnostics& diagnostics) {
    bind_network_mode(node, service, diagnostics);
    if (const Node* networks = node.find("networks"))
        for (const Node& attachment : networks->items)
            service.networks.push_back(bind_attachment(attachment, diagnostics));
    // @source docker/compose pkg/compose/create.go NetworksByPriority
    std::stable_sort(service.networks.begin(), service.networks.end(),
                     [](const Attachment& one, const Attachment& other) {
                         if (one.priority != other.priority) return one.priority > other.priority;
                         return one.network < other.network;
                     });
    const std::string mac = mac_at(node, diagnostics);
    if (!mac.empty() && !service.networks.empty() && service.networks.front().mac_address.empty())
        service.networks.front().mac_address = mac;
    bind_links(node, "links", service.links);
    bind_links(node, "external_links", service.external_links);
    service.expose = texts_in(node, "expose");
}

// --- Top level ---

namespace {

/// What is wrong with `text` as a network; empty where nothing is.
std::string subnet_problem(const std::string& text) {
    const std::size_t slash = text.find('/');
    const std::string address = text.substr(0, slash);
    unsigned char bytes[16] = {};
    const bool v4 = ::inet_pton(AF_INET, address.c_str(), bytes) == 1;
    if (!v4 && ::inet_pton(AF_INET6, address.c_str(), bytes) != 1)
        return "it doesn't begin with an address";
    if (slash == std::string::npos) return "it has no '/' and number of bits behind the address";
    const auto bits = parse_integer(text.substr(slash + 1));
    const int least = v4 ? 8 : 16;
    const int most = v4 ? 30 : 126;
    if (!bits || *bits < least || *bits > most)
        return fmt::format("the number of bits must be {} to {}", least, most);
    for (int bit = static_cast<int>(*bits); bit < (v4 ? 32 : 128); ++bit)
        if ((bytes[bit / 8] >> (7 - bit % 8) & 1) != 0)
            return "the bits behind the network must be 0";
    return {};
}

std::string network_at(const Node& pool, const char* key, const char* what,
                       Diagnostics& diagnostics) {
    const Node* node = pool.find(key);
    if (node == nullptr || !node->is_scalar() || node->text.empty()) return {};
    const std::string problem = subnet_problem(node->text);
    if (problem.empty()) return node->text;
    diagnostics.error(fmt::format("'{}' is not a {}: {}", printable(node->text), what, problem),
                      node->place(), "write it as 10.20.0.0/24");
    return {};
}

void bind_pool(const Node& node, Network& network, Diagnostics& diagnostics) {
    AddressPool pool;
    pool.subnet = network_at(node, "subnet", "subnet", diagnostics);
    pool.ip_range = network_at(node, "ip_range", "range", diagnostics);
    pool.gateway = address_at(node, "gateway", 0, diagnostics);
    if (const Node* reserved = node.find("aux_addresses")) {
        for (const Node& entry : reserved->items) {
            if (is_ip(entry.text))
                pool.aux_addresses[entry.key] = entry.text;
            else
                diagnostics.error(fmt::format("'{}' is not an IP address", printable(entry.text)),
                                  entry.place(), "write it as 10.20.0.5");
        }
    }
    const Node* subnet = node.find("subnet");
    if (pool.subnet.empty() && (subnet == nullptr || subnet->text.empty()) &&
        pool != AddressPool{}) {
        diagnostics.error("an entry of 'ipam.config' has no subnet", place_of_item(node),
                          "add 'subnet: 10.20.0.0/24'");
        return;
    }
    if (!pool.subnet.empty()) network.pools.push_back(std::move(pool));
}

/// Options of the driver that davit carries out. @source docker network create, bridge driver
constexpr const char* kDriverOptions[] = {
    "com.docker.network.bridge.name",
    "com.docker.network.bridge.enable_icc",
    "com.docker.network.bridge.enable_ip_masquerade",
    "com.docker.network.bridge.host_binding_ipv4",
    "com.docker.network.driver.mtu",
    "com.docker.network.container_iface_prefix",
};
/// Of the drivers "macvlan" and "ipvlan". @source docker network create, macvlan and ipvlan drivers
constexpr const char* kSharedOptions[] = {"parent", "macvlan_mode", "ipvlan_mode",
                                          "com.docker.network.driver.mtu",
                                          "com.docker.network.container_iface_prefix"};

template <std::size_t kSize>
bool is_one_of(const char* const (&names)[kSize], const std::string& name) {
    return std::any_of(std::begin(names), std::end(names),
                       [&](const char* one) { return name == one; });
}

/// A mode of macvlan or ipvlan, which the option `key` names. @source linux/if_link.h
void check_driver_mode(const Node& table, const char* key,
                       std::initializer_list<std::string_view> modes, Diagnostics& diagnostics) {
    const Node* mode = table.find(key);
    if (mode == nullptr || std::find(modes.begin(), modes.end(), mode->text) != modes.end()) return;
    diagnostics.error(fmt::format("there is no {} '{}'", key, printable(mode->text)), mode->place(),
                      fmt::format("use one of {}", fmt::join(modes, ", ")));
}

void bind_network_driver(const Node& node, Network& network, Diagnostics& diagnostics) {
    bind_driver(node, {"bridge", "default", "macvlan", "ipvlan", "host", "none", "null"}, "network",
                diagnostics);
    const std::string driver = text_at(node, "driver");
    if (driver == "null")
        network.driver = "none";
    else if (!driver.empty() && driver != "default")
        network.driver = driver;
}

void bind_driver_options(const Node& node, Network& network, Diagnostics& diagnostics) {
    network.driver_opts = bind_table(node.find("driver_opts"));
    const Node* table = node.find("driver_opts");
    if (table == nullptr) return;
    for (const Node& option : table->items) {
        const bool known = is_shared_link(network.driver) ? is_one_of(kSharedOptions, option.key)
                                                          : is_one_of(kDriverOptions, option.key);
        if (!known)
            diagnostics.warning(
                fmt::format("the driver option '{}' means nothing to davit", printable(option.key)),
                option.key_pos ? option.key_pos : option.pos,
                "take it out, or leave it for others");
    }
    const std::string name = text_at(*table, "com.docker.network.bridge.name");
    if (!is_interface_name(name))
        diagnostics.error(fmt::format("'{}' can't be the name of a bridge", printable(name)),
                          table->find("com.docker.network.bridge.name")->place(),
                          "use at most 15 letters, without '/', ':' and blanks");
    if (const Node* mtu = table->find("com.docker.network.driver.mtu"); mtu != nullptr) {
        const auto number = parse_integer(mtu->text);
        constexpr std::int64_t kLeast = 68;  // RFC 791 §3.2
        if (!number || *number < kLeast || *number > 65535)
            diagnostics.error(fmt::format("'{}' is not an MTU", printable(mtu->text)), mtu->place(),
                              "use 68 to 65535 bytes");
    }
    (void)address_at(*table, "com.docker.network.bridge.host_binding_ipv4", AF_INET, diagnostics);
    check_driver_mode(*table, "macvlan_mode", {"bridge", "private", "vepa", "passthru"},
                      diagnostics);
    check_driver_mode(*table, "ipvlan_mode", {"l2", "l3", "l3s"}, diagnostics);
    if (const Node* parent = table->find("parent");
        parent != nullptr && !is_interface_name(parent->text))
        diagnostics.error(fmt::format("'{}' can't be the name of a link", printable(parent->text)),
                          parent->place(), "name a link of the host, such as eth0 or eth0.20");
}

}  // namespace

void bind_network(const Node& node, Network& network, Diagnostics& diagnostics) {
    network.name = bind_name(node, "name", diagnostics);
    network.labels = bind_table(node.find("labels"));
    network.external = true_at(node, "external");
    network.internal = true_at(node, "internal");
    network.ipv4 = text_at(node, "enable_ipv4") != "false";
    network.ipv6 = true_at(node, "enable_ipv6");
    bind_network_driver(node, network, diagnostics);
    bind_driver_options(node, network, diagnostics);
    if (!network.ipv4 && !network.ipv6)
        diagnostics.error(fmt::format("network '{}' has neither IPv4 nor IPv6", node.key),
                          node.find("enable_ipv4")->place(), "add 'enable_ipv6: true'");
    const Node* ipam = node.find("ipam");
    if (ipam == nullptr || !ipam->is_mapping()) return;
    bind_driver(*ipam, {"default", "bridge"}, "address", diagnostics);
    const Node* pools = ipam->find("config");
    if (pools == nullptr) return;
    for (const Node& pool : pools->items)
        if (pool.is_mapping()) bind_pool(pool, network, diagnostics);
    // A subnet of IPv6 in a network that has none is no mistake to Docker, and not used.
    std::erase_if(network.pools, [&](const AddressPool& pool) {
        const bool v6 = pool.subnet.find(':') != std::string::npos;
        return v6 ? !network.ipv6 : !network.ipv4;
    });
}

}  // namespace davit::compose
