#include "base/strings.h"
#include "compose/decode.h"
#include "compose/decode_values.h"

#include <arpa/inet.h>
#include <cstdint>
#include <fmt/format.h>

// Top-level volumes and networks.
namespace davit::compose {
namespace {

void volume_name(DecodeContext& context, const Field& field, Volume& volume) {
    if (auto name = decode_resource_name(context, field)) volume.name = *std::move(name);
}

void volume_external(DecodeContext& context, const Field& field, Volume& volume) {
    if (field.node.kind == NodeKind::Mapping) {
        context.error("'external' with a name inside is not supported", field.node.place(),
                      "write 'external: true' and 'name: …' beside it");
        return;
    }
    volume.external = decode_boolean(context, field).value_or(false);
}

void volume_driver(DecodeContext& context, const Field& field, Volume& /*volume*/) {
    const std::optional<std::string> driver = decode_string(context, field);
    if (!driver || *driver == "local") return;
    context.error(fmt::format("the volume driver '{}' is not supported yet", *driver),
                  field.node.place(), "use 'local', or leave 'driver' out");
}

void volume_labels(DecodeContext& context, const Field& field, Volume& volume) {
    volume.labels = decode_labels(context, field);
}

constexpr Key<Volume> kVolumeKeys[] = {
    {"name", volume_name},
    {"external", volume_external},
    {"driver", volume_driver},
    {"labels", volume_labels},
    {"driver_opts", nullptr, "mount the folder with a bind in the service's 'volumes'"},
};

void network_name(DecodeContext& context, const Field& field, Network& network) {
    if (auto name = decode_resource_name(context, field)) network.name = *std::move(name);
}

void network_driver(DecodeContext& context, const Field& field, Network& /*network*/) {
    const std::optional<std::string> driver = decode_string(context, field);
    if (!driver || *driver == "bridge" || *driver == "default") return;
    context.error(fmt::format("the network driver '{}' is not supported yet", *driver),
                  field.node.place(), "use 'bridge', or leave 'driver' out");
}

void network_labels(DecodeContext& context, const Field& field, Network& network) {
    network.labels = decode_labels(context, field);
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

void subnet(DecodeContext& context, const Field& field, Network& network) {
    const std::optional<std::string> text = decode_string(context, field);
    if (!text) return;
    const std::string problem = subnet_problem(*text);
    if (problem.empty())
        network.subnet = *text;
    else
        context.error(fmt::format("'{}' is not a subnet: {}", printable(*text), problem),
                      field.node.place(), "write it as 10.20.0.0/24");
}

constexpr Key<Network> kIpamConfigKeys[] = {
    {"subnet", subnet},
    {"gateway", nullptr, "leave it out: it is the first address of the subnet"},
    {"ip_range", nullptr, nullptr},
    {"aux_addresses", nullptr, nullptr},
};

void ipam_config(DecodeContext& context, const Field& field, Network& network) {
    if (!expect_list(context, field)) return;
    for (std::size_t i = 0; i < field.node.items.size(); ++i) {
        const Field item = field.item(i);
        remember_place(context, item);
        if (i == 0)
            decode_mapping<Network>(context, item, "'ipam.config'", kIpamConfigKeys, network);
        else
            context.error("a second subnet is not supported yet", item.node.place(),
                          "keep one entry in 'config'");
    }
}

constexpr Key<Network> kIpamKeys[] = {
    {"driver", network_driver},
    {"config", ipam_config},
    {"options", nullptr, nullptr},
};

void ipam(DecodeContext& context, const Field& field, Network& network) {
    decode_mapping<Network>(context, field, "'ipam'", kIpamKeys, network);
}

constexpr Key<Network> kNetworkKeys[] = {
    {"name", network_name},
    {"driver", network_driver},
    {"labels", network_labels},
    {"ipam", ipam},
    {"external", nullptr, nullptr},
    {"internal", nullptr, nullptr},
    {"attachable", nullptr, "take it out: it means something in a swarm only"},
    {"driver_opts", nullptr, nullptr},
    {"enable_ipv4", nullptr, nullptr},
    {"enable_ipv6", nullptr, nullptr},
};

}  // namespace

void decode_volume(DecodeContext& context, const Field& field, const std::string& project,
                   Volume& volume) {
    if (field.node.kind != NodeKind::Null)
        decode_mapping<Volume>(context, field, fmt::format("volume '{}'", field.node.key),
                               kVolumeKeys, volume);
    if (volume.external) {
        for (const char* other : {"driver", "driver_opts", "labels"}) {
            if (const Node* node = field.node.find(other))
                context.error(
                    fmt::format("the external volume '{}' can't have '{}'", field.node.key, other),
                    node->key_pos, "take one of the two out: davit doesn't make external volumes");
        }
    }
    if (volume.name.empty())
        volume.name =
            volume.external ? field.node.key : fmt::format("{}_{}", project, field.node.key);
}

void decode_network(DecodeContext& context, const Field& field, const std::string& project,
                    Network& network) {
    if (field.node.kind != NodeKind::Null)
        decode_mapping<Network>(context, field, fmt::format("network '{}'", field.node.key),
                                kNetworkKeys, network);
    if (network.name.empty()) network.name = fmt::format("{}_{}", project, field.node.key);
}

}  // namespace davit::compose
