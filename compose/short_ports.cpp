#include "base/result.h"
#include "base/strings.h"
#include "compose/short_forms.h"

#include <algorithm>
#include <arpa/inet.h>
#include <fmt/format.h>

// [[IP:]HOST[-END]:]CONTAINER[-END][/PROTOCOL] and the long form.
// @source Compose spec 05-services.md#ports; docker/go-connections nat.ParsePortSpec
namespace davit::compose {
namespace {

struct Range {
    int first = 0;
    int last = 0;

    int size() const { return last - first + 1; }
};

/// "80" or "8000-8010".
Result<Range> parse_range(std::string_view text) {
    const auto refused = [&](std::string_view why) {
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' is not a port: {}", printable(text), why));
    };
    const auto number = [](std::string_view digits) -> std::optional<int> {
        const bool plain =
            !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
        const auto value = plain ? parse_integer(digits) : std::nullopt;
        if (!value || *value > 65535) return std::nullopt;
        return static_cast<int>(*value);
    };
    const std::size_t dash = text.find('-');
    const auto first = number(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : number(text.substr(dash + 1));
    if (!first || !last) return refused("ports are 1 to 65535");
    if (*last < *first) return refused("it ends before it begins");
    return Range{*first, *last};
}

bool is_ip(const std::string& ip) {
    in_addr v4{};
    in6_addr v6{};
    return ::inet_pton(AF_INET, ip.c_str(), &v4) == 1 ||
           ::inet_pton(AF_INET6, ip.c_str(), &v6) == 1;
}

Result<std::string> parse_host_ip(std::string_view text) {
    std::string ip(text);
    if (ip.starts_with('[') && ip.ends_with(']')) ip = ip.substr(1, ip.size() - 2);
    if (is_ip(ip)) return ip;
    return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not an IP address", printable(text)))
        .help("name an address of this host, such as 127.0.0.1, not a name");
}

Result<std::string> parse_protocol(std::string_view text) {
    std::string protocol = lowered(text.substr(0, text.find('/')));
    if (protocol == "tcp" || protocol == "udp" || protocol == "sctp") return protocol;
    return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not a protocol", printable(text)))
        .help("use tcp, udp or sctp");
}

/// What one short form says, before ranges are written out.
struct Spec {
    std::string host_ip = {};
    std::optional<Range> published = {};
    Range target = {};
    std::string protocol = "tcp";
};

Result<Spec> parse_spec(std::string_view text) {
    Spec spec;
    if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
        spec.protocol = TRY(parse_protocol(text.substr(slash + 1)));
        text = text.substr(0, slash);
    }
    // From the right, so that an IPv6 address may keep its colons.
    const std::size_t target_at = text.rfind(':') + 1;  // npos + 1 is 0
    spec.target = TRY(parse_range(text.substr(target_at)));
    if (spec.target.first == 0)
        return Error(ErrorKind::InvalidInput, "0 is not a port of the container")
            .help("ports of a container are 1 to 65535");
    if (target_at == 0) return spec;
    const std::string_view front = text.substr(0, target_at - 1);
    const std::size_t host_at = front.rfind(':') + 1;
    if (host_at > 1) spec.host_ip = TRY(parse_host_ip(front.substr(0, host_at - 1)));
    if (host_at < front.size()) spec.published = TRY(parse_range(front.substr(host_at)));
    if (spec.published && spec.published->size() != spec.target.size() && spec.target.size() != 1)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("{} ports of the host can't lead to {} ports of the container",
                                 spec.published->size(), spec.target.size()))
            .help("write ranges of the same length");
    return spec;
}

Node port_node(const Spec& spec, int target, const std::string& published, const Node& like) {
    Node port = mapping_node(like);
    port.put("mode", string_node("ingress", like));
    if (!spec.host_ip.empty()) port.put("host_ip", string_node(spec.host_ip, like));
    port.put("target", plain_node(fmt::format("{}", target), like));
    if (!published.empty()) port.put("published", string_node(published, like));
    port.put("protocol", string_node(spec.protocol, like));
    return port;
}

/// One mapping for each port; one for a whole range of the host that leads to a single port.
std::vector<Node> port_nodes(const Spec& spec, const Node& like) {
    if (spec.published && spec.published->size() > 1 && spec.target.size() == 1)
        return {port_node(spec, spec.target.first,
                          fmt::format("{}-{}", spec.published->first, spec.published->last), like)};
    // Docker Compose sorts them as text, and so does who compares with it.
    std::vector<std::pair<std::string, int>> order;
    for (int i = 0; i < spec.target.size(); ++i)
        order.emplace_back(fmt::format("{}", spec.target.first + i), i);
    std::sort(order.begin(), order.end());
    std::vector<Node> ports;
    for (const auto& [text, i] : order) {
        const std::string published =
            spec.published ? fmt::format("{}", spec.published->first + i) : std::string();
        ports.push_back(port_node(spec, spec.target.first + i, published, like));
    }
    return ports;
}

void check_long_form(Canonicalizer& canonicalizer, Node& port, const NodePath& path) {
    const Node* host_ip = port.find("host_ip");
    if (host_ip == nullptr || !host_ip->is_scalar() || host_ip->text.empty() ||
        canonicalizer.keeps(*host_ip) || is_ip(host_ip->text))
        return;
    canonicalizer.refuse_value(*port.find("host_ip"), path.entry("host_ip"),
                               fmt::format("'{}' is not an IP address", printable(host_ip->text)),
                               "name an address of this host, such as 127.0.0.1, not a name");
}

}  // namespace

bool rewrite_ports(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (!node.is_list()) return true;
    std::vector<Node> ports;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        Node& item = node.items[i];
        if (item.tag == "!reset") continue;
        if (item.is_mapping()) {
            check_long_form(canonicalizer, item, path.item(i));
            ports.push_back(std::move(item));
            continue;
        }
        const ScalarType type = scalar_type(item);
        if (!item.is_scalar() || (type != ScalarType::String && type != ScalarType::Integer)) {
            canonicalizer.refuse_type(item, path.item(i), "a string", "write it as \"8080:80\"");
            continue;
        }
        if (canonicalizer.keeps(item)) {
            ports.push_back(std::move(item));
            continue;
        }
        Result<Spec> spec = parse_spec(canonical_text(item));
        if (!spec) {
            canonicalizer.refuse_value(item, path.item(i), spec.error().to_string(),
                                       spec.error().help().empty()
                                           ? "write it as \"8080:80\", host port first"
                                           : spec.error().help());
            continue;
        }
        if (!canonicalizer.count_ports(spec->target.size())) {
            canonicalizer.refuse_value(item, path.item(i), "these are too many ports for one file",
                                       "publish fewer, or use the network of the host");
            continue;
        }
        for (Node& port : port_nodes(*spec, item)) ports.push_back(std::move(port));
    }
    node.items = std::move(ports);
    return true;
}

}  // namespace davit::compose
