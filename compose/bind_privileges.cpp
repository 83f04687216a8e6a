#include "base/file.h"
#include "base/strings.h"
#include "compose/bind.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <fmt/format.h>

// What a container may do, what it finds in memory, and how it finds names.
namespace davit::compose {
namespace {

bool is_any_ip(const std::string& text) {
    in_addr v4{};
    in6_addr v6{};
    return ::inet_pton(AF_INET, text.c_str(), &v4) == 1 ||
           ::inet_pton(AF_INET6, text.c_str(), &v6) == 1;
}

/// Of an SELinux label: "type:svirt_t", "level:s0:c1,c2".
bool is_label_part(const std::string& value) {
    const std::size_t colon = value.find(':');
    if (colon == std::string::npos || colon + 1 == value.size()) return false;
    constexpr std::array<std::string_view, 4> kParts = {"user", "role", "type", "level"};
    return std::find(kParts.begin(), kParts.end(), value.substr(0, colon)) != kParts.end();
}

/// `name=value`, `name:value` or `name`. @source docker/cli opts, docker run --security-opt
void bind_security_option(const Node& item, Privileges& privileges, Diagnostics& diagnostics) {
    std::size_t end = item.text.find('=');
    if (end == std::string::npos) end = item.text.find(':');
    const std::string name = item.text.substr(0, end);
    const std::string value = end == std::string::npos ? "" : item.text.substr(end + 1);
    if (name == "no-new-privileges" && (value.empty() || value == "true" || value == "false")) {
        privileges.no_new_privileges = value != "false";
    } else if (name == "seccomp" && (value == "unconfined" || value == "builtin")) {
        privileges.unfiltered = value == "unconfined";
        privileges.seccomp_file.clear();
    } else if (name == "seccomp" && !value.empty()) {
        privileges.seccomp_file = value;
    } else if (name == "systempaths" && value == "unconfined") {
        privileges.unmasked_paths = true;
    } else if ((name == "apparmor" && value == "unconfined") ||
               (name == "label" && value == "disable")) {
        return;  // as it is without
    } else if (name == "apparmor" && !value.empty()) {
        privileges.apparmor_profile = value;
    } else if (name == "label" && is_label_part(value)) {
        const std::size_t colon = value.find(':');
        privileges.selinux_parts[value.substr(0, colon)] = value.substr(colon + 1);
    } else {
        diagnostics.error(
            fmt::format("'{}' is not a security option", printable(item.text)), item.place(),
            "the options are no-new-privileges, seccomp=unconfined or a file, "
            "systempaths=unconfined, apparmor=unconfined or a profile, label=disable and "
            "label=user:…, role:…, type:… or level:…");
    }
}

void bind_tmpfs(const Node& node, Service& service, Diagnostics& diagnostics) {
    const auto add = [&](Tmpfs tmpfs, const SourcePos& where) {
        tmpfs.target = clean_path(tmpfs.target);
        if (tmpfs.target.starts_with('/') && tmpfs.target != "/")
            service.tmpfs.push_back(std::move(tmpfs));
        else
            diagnostics.error(fmt::format("a tmpfs can't be mounted on '{}' in the container",
                                          printable(tmpfs.target)),
                              where, "name an absolute path below '/'");
    };
    if (const Node* list = node.find("tmpfs")) {
        for (const Node& item : list->items) {
            const std::size_t colon = item.text.find(':');
            Tmpfs tmpfs{item.text.substr(0, colon), {}};
            if (colon != std::string::npos) tmpfs.options = split(item.text.substr(colon + 1), ',');
            add(std::move(tmpfs), item.place());
        }
    }
    const Node* volumes = node.find("volumes");
    if (volumes == nullptr) return;
    for (const Node& item : volumes->items) {
        if (text_at(item, "type") != "tmpfs") continue;
        Tmpfs tmpfs{text_at(item, "target"), {}};
        if (const Node* details = item.find("tmpfs"); details != nullptr) {
            if (const std::string size = text_at(*details, "size"); !size.empty())
                tmpfs.options.push_back("size=" + size);
            if (const auto mode = parse_integer(text_at(*details, "mode")))
                tmpfs.options.push_back(fmt::format("mode={:o}", *mode));
        }
        if (true_at(item, "read_only")) tmpfs.options.emplace_back("ro");
        add(std::move(tmpfs), item.place());
    }
}

void bind_resolver(const Node& node, Service& service, Diagnostics& diagnostics) {
    Resolver& resolver = service.resolver;
    resolver.options = texts_at(node, "dns_opt");
    resolver.search = texts_at(node, "dns_search");
    if (const Node* servers = node.find("dns")) {
        for (const Node& server : servers->items) {
            if (is_any_ip(server.text))
                resolver.servers.push_back(server.text);
            else
                diagnostics.error(fmt::format("'{}' is not an IP address", printable(server.text)),
                                  server.place(),
                                  "name a DNS server by its address, such as 10.0.0.2");
        }
    }
    if (const Node* hosts = node.find("extra_hosts")) {
        for (const Node& host : hosts->items) {
            const std::string address = host.text.substr(host.text.find('=') + 1);
            if (is_any_ip(address) || address == "host-gateway")
                resolver.extra_hosts.push_back(host.text);
            else
                diagnostics.error(fmt::format("'{}' is not an IP address", printable(address)),
                                  host.place(), "write an address, or 'host-gateway'");
        }
    }
}

void bind_ulimits(const Node& node, Service& service, Diagnostics& diagnostics) {
    const Node* table = node.find("ulimits");
    if (table == nullptr) return;
    for (const Node& limit : table->items) {
        Ulimit ulimit;
        if (limit.is_scalar())
            ulimit.soft = ulimit.hard = parse_integer(limit.text).value_or(0);
        else
            ulimit = {parse_integer(text_at(limit, "soft")).value_or(0),
                      parse_integer(text_at(limit, "hard")).value_or(0)};
        const bool whole =
            limit.is_scalar() || (limit.find("soft") != nullptr && limit.find("hard") != nullptr);
        if (whole && ulimit.hard != -1 && (ulimit.soft == -1 || ulimit.soft > ulimit.hard))
            diagnostics.error(
                fmt::format("ulimit '{}' has a soft limit above its hard one", limit.key),
                limit.place(), "make 'soft' at most 'hard'");
        service.ulimits[limit.key] = ulimit;
    }
}

void bind_modes(const Node& node, Service& service, Diagnostics& diagnostics) {
    const auto refuse = [&](const char* key, const char* help) {
        diagnostics.error(
            fmt::format("'{}: {}' is not supported yet", key, printable(text_at(node, key))),
            node.find(key)->place(), help);
    };
    if (const std::string mode = text_at(node, "userns_mode"); mode == "host")
        service.privileges.host_users = true;
    else if (!mode.empty() && mode != "private")
        refuse("userns_mode", "use 'host', or leave it out for a namespace of its own");
}

}  // namespace

void bind_privileges(const Node& node, Service& service, Diagnostics& diagnostics) {
    service.privileges.cap_add = texts_at(node, "cap_add");
    service.privileges.cap_drop = texts_at(node, "cap_drop");
    if (const Node* options = node.find("security_opt"))
        for (const Node& item : options->items)
            bind_security_option(item, service.privileges, diagnostics);
    service.privileges.privileged = true_at(node, "privileged");
    // What belongs to the host can be used by the host's users only.
    if (service.privileges.privileged) service.privileges.host_users = true;
    service.domainname = text_at(node, "domainname");
    service.tty = true_at(node, "tty");
    service.stdin_open = true_at(node, "stdin_open");
    service.group_add = texts_at(node, "group_add");
    service.sysctls = bind_table(node.find("sysctls"));
    service.annotations = bind_table(node.find("annotations"));
    service.shm_size_bytes = parse_integer(text_at(node, "shm_size")).value_or(0);
    if (const auto score = parse_integer(text_at(node, "oom_score_adj")))
        service.oom_score_adj = static_cast<int>(*score);
    service.read_only = true_at(node, "read_only");
    service.init = true_at(node, "init");
    bind_tmpfs(node, service, diagnostics);
    bind_resolver(node, service, diagnostics);
    bind_ulimits(node, service, diagnostics);
    bind_modes(node, service, diagnostics);
    bind_devices(node, service, diagnostics);
    bind_sharing(node, service, diagnostics);
    bind_block_io(node, service, diagnostics);
    bind_health(node, service, diagnostics);
}

}  // namespace davit::compose
