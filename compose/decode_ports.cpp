#include "base/result.h"
#include "base/strings.h"
#include "compose/decode.h"
#include "compose/decode_values.h"

#include <algorithm>
#include <arpa/inet.h>
#include <fmt/format.h>

// [[IP:]HOST[-END]:]CONTAINER[-END][/PROTOCOL] and the long form.
// @source Compose spec 05-services.md#ports
namespace davit::compose {
namespace {

struct Range {
    std::uint16_t first = 0;
    std::uint16_t last = 0;

    int size() const { return last - first + 1; }
};

/// "80" or "8000-8010".
Result<Range> parse_range(std::string_view text) {
    const auto refused = [&](std::string_view why) {
        return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not a port: {}", text, why));
    };
    const auto number = [](std::string_view digits) -> std::optional<std::uint16_t> {
        const bool plain =
            !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
        const auto value = plain ? parse_integer(digits) : std::nullopt;
        if (!value || *value > 65535) return std::nullopt;
        return static_cast<std::uint16_t>(*value);
    };
    const std::size_t dash = text.find('-');
    const auto first = number(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : number(text.substr(dash + 1));
    if (!first || !last) return refused("ports are 1 to 65535");
    if (*last < *first) return refused("it ends before it begins");
    return Range{*first, *last};
}

Result<std::string> parse_host_ip(std::string_view text) {
    std::string ip(text);
    if (ip.starts_with('[') && ip.ends_with(']')) ip = ip.substr(1, ip.size() - 2);
    in_addr v4{};
    in6_addr v6{};
    if (::inet_pton(AF_INET, ip.c_str(), &v4) == 1 || ::inet_pton(AF_INET6, ip.c_str(), &v6) == 1)
        return ip;
    return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not an IP address", text))
        .help("name an address of this host, such as 127.0.0.1, not a name");
}

Result<std::string> parse_protocol(std::string_view text) {
    std::string protocol(text);
    std::transform(protocol.begin(), protocol.end(), protocol.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (protocol == "tcp" || protocol == "udp") return protocol;
    if (protocol == "sctp")
        return Error(ErrorKind::Unsupported, "the protocol 'sctp' is not supported yet")
            .help("use tcp or udp");
    return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not a protocol", printable(text)))
        .help("use tcp or udp");
}

/// The ports that one short form stands for.
Result<std::vector<Port>> parse_short_form(std::string_view text) {
    Port port;
    if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
        port.protocol = TRY(parse_protocol(text.substr(slash + 1)));
        text = text.substr(0, slash);
    }
    // From the right, so that an IPv6 address may keep its colons.
    const std::size_t target_at = text.rfind(':') + 1;  // npos + 1 is 0
    const Range target = TRY(parse_range(text.substr(target_at)));
    if (target.first == 0)
        return Error(ErrorKind::InvalidInput, "0 is not a port of the container")
            .help("ports of a container are 1 to 65535");
    Range published;
    bool has_published = false;
    if (target_at > 0) {
        const std::string_view front = text.substr(0, target_at - 1);
        const std::size_t host_at = front.rfind(':') + 1;
        if (host_at > 1) port.host_ip = TRY(parse_host_ip(front.substr(0, host_at - 1)));
        if (host_at < front.size()) {
            published = TRY(parse_range(front.substr(host_at)));
            has_published = true;
        }
    }
    if (has_published && published.size() != target.size()) {
        if (target.size() == 1)
            return Error(ErrorKind::Unsupported,
                         "one free port out of a range of the host is not supported yet")
                .help("name one port of the host, or none for any free one");
        return Error(ErrorKind::InvalidInput,
                     fmt::format("{} ports of the host can't lead to {} ports of the container",
                                 published.size(), target.size()))
            .help("write ranges of the same length");
    }
    std::vector<Port> ports;
    for (int i = 0; i < target.size(); ++i) {
        port.target = static_cast<std::uint16_t>(target.first + i);
        port.published = static_cast<std::uint16_t>(has_published ? published.first + i : 0);
        ports.push_back(port);
    }
    return ports;
}

void refuse(DecodeContext& context, const Field& field, const Error& error) {
    const std::string help =
        error.help().empty() ? "write it as \"8080:80\", host port first" : error.help();
    context.error(fmt::format("'{}': {}", field.path, error.to_string()), field.node.place(), help);
}

void target(DecodeContext& context, const Field& field, Port& port) {
    if (const auto number = decode_integer(context, field, 1, 65535))
        port.target = static_cast<std::uint16_t>(*number);
}

void published(DecodeContext& context, const Field& field, Port& port) {
    if (field.node.kind == NodeKind::Scalar && field.node.text.find('-') != std::string::npos) {
        context.error("one free port out of a range of the host is not supported yet",
                      field.node.place(), "name one port of the host, or none for any free one");
        return;
    }
    if (field.node.is_string && field.node.text.empty()) return;  // any free one
    if (const auto number = decode_integer(context, field, 0, 65535))
        port.published = static_cast<std::uint16_t>(*number);
}

void host_ip(DecodeContext& context, const Field& field, Port& port) {
    const std::optional<std::string> text = decode_string(context, field);
    if (!text) return;
    Result<std::string> ip = parse_host_ip(*text);
    if (ip)
        port.host_ip = *std::move(ip);
    else
        refuse(context, field, ip.error());
}

void protocol(DecodeContext& context, const Field& field, Port& port) {
    const std::optional<std::string> text = decode_string(context, field);
    if (!text) return;
    Result<std::string> known = parse_protocol(*text);
    if (known)
        port.protocol = *std::move(known);
    else
        refuse(context, field, known.error());
}

/// For people and swarms; a port works the same without.
void for_others(DecodeContext& context, const Field& field, Port& /*port*/) {
    decode_string(context, field);
}

constexpr Key<Port> kPortKeys[] = {
    {"target", target},     {"published", published}, {"host_ip", host_ip},
    {"protocol", protocol}, {"name", for_others},     {"app_protocol", for_others},
    {"mode", for_others},
};

std::vector<Port> decode_port(DecodeContext& context, const Field& item) {
    const Node& node = item.node;
    if (node.kind == NodeKind::Mapping) {
        Port port;
        decode_mapping<Port>(context, item, "a port", kPortKeys, port);
        if (node.find("target") == nullptr)
            context.error(fmt::format("'{}' names no port of the container", item.path),
                          node.items.empty() ? node.pos : node.items.front().key_pos,
                          "add 'target: PORT'");
        return {port};
    }
    const ScalarType type = scalar_type(node);
    if (node.kind != NodeKind::Scalar ||
        (type != ScalarType::String && type != ScalarType::Integer)) {
        context.error(fmt::format("'{}' must be a string, found {}", item.path, describe(node)),
                      node.place(), "write it as \"8080:80\"");
        return {};
    }
    Result<std::vector<Port>> ports = parse_short_form(canonical_text(node));
    if (ports) return *std::move(ports);
    refuse(context, item, ports.error());
    return {};
}

/// A long form is underlined at its first key.
SourcePos place_of_item(const Node& item) {
    return item.kind == NodeKind::Mapping && !item.items.empty() ? item.items.front().key_pos
                                                                 : item.place();
}

}  // namespace

void decode_ports(DecodeContext& context, const Field& field, Service& service) {
    if (!expect_list(context, field)) return;
    for (std::size_t i = 0; i < field.node.items.size(); ++i) {
        const Field item = field.item(i);
        for (Port& port : decode_port(context, item)) {
            const auto& known = service.ports;
            // Said twice is said once, as files that are merged often do.
            if (std::find(known.begin(), known.end(), port) != known.end()) continue;
            // By the index that errors which come up later will ask for: an item may be a range.
            context.places.set(fmt::format("{}[{}]", field.path, service.ports.size()),
                               place_of_item(item.node));
            service.ports.push_back(std::move(port));
        }
    }
}

}  // namespace davit::compose
