#include "base/file.h"
#include "base/strings.h"
#include "compose/bind.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fmt/format.h>

// Ports and mounts of a service, volumes of the project.
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
    port.protocol = lowered(text_at(node, "protocol"));
    if (port.protocol != "tcp" && port.protocol != "udp" && port.protocol != "sctp") {
        diagnostics.error(fmt::format("'{}' is not a protocol", printable(port.protocol)),
                          place_of_item(node), "use tcp, udp or sctp");
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
        const std::size_t dash = published->text.find('-');
        const auto first = port_number(published->text.substr(0, dash));
        const auto last =
            dash == std::string::npos ? first : port_number(published->text.substr(dash + 1));
        if (!first || !last || *last < *first || (*first == 0 && *last != 0)) {
            diagnostics.error(
                fmt::format("'{}' is not a port of the host", printable(published->text)),
                published->key_pos ? published->place() : place_of_item(node),
                "name a port of the host, 1 to 65535, a range such as 8000-8010, or none for any "
                "free one");
            return;
        }
        port.published = *first;
        if (*last != *first) port.published_last = *last;
    }
    service.ports.push_back(std::move(port));
}

}  // namespace

namespace {

bool is_propagation(const std::string& word) {
    constexpr std::array<std::string_view, 6> kWords = {"private", "rprivate", "shared",
                                                        "rshared", "slave",    "rslave"};
    return std::find(kWords.begin(), kWords.end(), word) != kWords.end();
}

bool bind_bind_details(const Node& bind, Mount& mount, Diagnostics& diagnostics) {
    mount.create_host_path = text_at(bind, "create_host_path") != "false";
    mount.propagation = text_at(bind, "propagation");
    if (!mount.propagation.empty() && !is_propagation(mount.propagation)) {
        diagnostics.error(
            fmt::format("'{}' is not a way to propagate mounts", printable(mount.propagation)),
            bind.find("propagation")->place(),
            "use private, rprivate, shared, rshared, slave or rslave");
        return false;
    }
    mount.recursive = text_at(bind, "recursive");
    if (mount.recursive == "enabled") mount.recursive.clear();
    if (mount.recursive == "writable") {
        diagnostics.error("'recursive: writable' is not supported yet",
                          bind.find("recursive")->place(),
                          "leave it out: what is mounted in a read-only folder is read-only, too");
        return false;
    }
    if (mount.recursive == "readonly" && !mount.read_only) {
        diagnostics.error("'recursive: readonly' needs 'read_only: true'",
                          bind.find("recursive")->place(), "add 'read_only: true' to the mount");
        return false;
    }
    return true;
}

/// `bind`, `volume` and `image` of a mount. @source Compose spec 05-services.md#long-syntax-6
bool bind_mount_details(const Node& item, Mount& mount, Diagnostics& diagnostics) {
    const Node* bind = item.find("bind");
    if (mount.type == MountType::Bind && bind != nullptr && bind->is_mapping())
        return bind_bind_details(*bind, mount, diagnostics);
    const bool of_image = mount.type == MountType::Image;
    if (of_image && mount.source.empty()) {
        diagnostics.error("a mount of type 'image' has no 'source'", place_of_item(item),
                          "name the image in 'source'");
        return false;
    }
    const Node* details = item.find(of_image ? "image" : "volume");
    if (mount.type == MountType::Bind || details == nullptr || !details->is_mapping()) return true;
    mount.no_copy = true_at(*details, "nocopy");
    const std::string subpath = text_at(*details, "subpath");
    if (subpath.empty()) return true;
    mount.subpath = clean_path(subpath);
    if (mount.subpath.starts_with('/') || mount.subpath == ".." ||
        mount.subpath.starts_with("../") || (!of_image && mount.source.empty())) {
        diagnostics.error(fmt::format("'{}' can't be a subpath", printable(subpath)),
                          details->find("subpath")->place(),
                          "name a path inside of a named volume, without '..' and without a "
                          "leading '/'");
        return false;
    }
    if (mount.subpath == ".") mount.subpath.clear();
    return true;
}

}  // namespace

void bind_driver(const Node& node, std::initializer_list<const char*> known, const char* what,
                 Diagnostics& diagnostics) {
    const std::string driver = text_at(node, "driver");
    if (driver.empty() || std::find(known.begin(), known.end(), driver) != known.end()) return;
    diagnostics.error(
        fmt::format("the {} driver '{}' is not supported yet", what, printable(driver)),
        node.find("driver")->place(),
        fmt::format("use '{}', or leave 'driver' out", *known.begin()));
}

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
        if (type != "bind" && type != "volume" && type != "image") {
            if (!type.empty() && type != "tmpfs")
                diagnostics.error(fmt::format("a mount of type '{}' is not supported yet", type),
                                  place_of_item(item), "use 'bind', 'volume', 'tmpfs' or 'image'");
            continue;
        }
        Mount mount;
        mount.type = type == "bind"     ? MountType::Bind
                     : type == "volume" ? MountType::Volume
                                        : MountType::Image;
        mount.source = text_at(item, "source");
        if (mount.type == MountType::Bind) mount.source = clean_path(mount.source);
        mount.target = text_at(item, "target");
        mount.read_only = mount.type == MountType::Image || true_at(item, "read_only");
        if (!bind_mount_details(item, mount, diagnostics)) continue;
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
    volume.driver_opts = bind_table(node.find("driver_opts"));
    bind_driver(node, {"local"}, "volume", diagnostics);
}

}  // namespace davit::compose
