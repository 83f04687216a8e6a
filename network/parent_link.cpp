#include "base/strings.h"
#include "network/link_parts.h"
#include "network/links.h"
#include "network/netlink.h"

#include <cerrno>
#include <fmt/format.h>
#include <net/if.h>

// Links of the host that macvlan and ipvlan networks share.

namespace davit::network {
namespace {

/// Tells the links that davit has made from those of others.
std::string mark_of(const ParentSpec& spec) { return "davit: " + spec.alias; }

/// "eth0.20" in parts. @source docker, macvlan driver, "parent"
struct VlanName {
    std::string parent = {};
    std::int64_t id = 0;  ///< 0: no name of a VLAN.
};

VlanName vlan_of(const std::string& name) {
    constexpr std::int64_t kLast = 4094;  // IEEE 802.1Q
    const std::size_t dot = name.rfind('.');
    if (dot == std::string::npos) return {};
    const auto id = parse_integer(name.substr(dot + 1));
    if (!id || *id < 1 || *id > kLast) return {};
    return {name.substr(0, dot), *id};
}

Error missing(const std::string& name) {
    return Error(ErrorKind::NotFound, fmt::format("there is no link '{}' on this host", name))
        .help("name one of 'ip link' as the driver option 'parent'");
}

Result<ParentRequest> request_for(const ParentSpec& spec) {
    ParentRequest request;
    request.name = spec.name;
    if (spec.dummy) return request;
    const VlanName vlan = vlan_of(spec.name);
    if (vlan.id == 0) return missing(spec.name);
    request.parent = static_cast<int>(::if_nametoindex(vlan.parent.c_str()));
    request.id = static_cast<std::uint16_t>(vlan.id);
    if (request.parent == 0) return missing(vlan.parent);
    return request;
}

}  // namespace

Result<void> ensure_parent(const ParentSpec& spec) {
    TRY(check_link_name(spec.name));
    if (TRY(link_exists(spec.name))) return {};
    const ParentRequest request = TRY(request_for(spec));
    const NlSock socket = TRY(open_route_socket());
    Batch create;
    create.add(new_parent(request), fmt::format("create link '{}'", spec.name));
    Result<void> created = std::move(create).commit(*socket);
    if (!created && created.error().error_number() == EOPNOTSUPP)
        return Error(ErrorKind::Unsupported,
                     fmt::format("this kernel has no links of the kind '{}'",
                                 request.parent != 0 ? "vlan" : "dummy"))
            .help(request.parent != 0 ? "load it: modprobe 8021q"
                                      : "name a 'parent', or load it: modprobe dummy");
    if (!created && created.error().kind() != ErrorKind::AlreadyExists) return created;
    Batch mark;
    mark.add(set_alias(spec.name, mark_of(spec)), fmt::format("name link '{}'", spec.name));
    return std::move(mark).commit(*socket);
}

Result<void> remove_parent(const ParentSpec& spec) {
    const auto index = static_cast<int>(::if_nametoindex(spec.name.c_str()));
    if (index == 0) return {};
    const NlSock socket = TRY(open_route_socket());
    const Result<LinkFacts> link = look_up_link(*socket, index);
    if (!link && link.error().kind() == ErrorKind::NotFound) return {};
    if (!link) return link.error();
    // Also one whose maker was killed before it had its mark: nobody else calls a link so.
    const bool ours = link->alias == mark_of(spec) || (spec.dummy && link->kind == "dummy");
    return ours ? remove_link_by_name(*socket, spec.name) : Result<void>();
}

}  // namespace davit::network
