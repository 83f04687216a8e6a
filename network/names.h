#pragma once

#include "network/address.h"

#include <string>
#include <string_view>
#include <vector>

namespace davit::network {

/// One line of a hosts file.
struct HostEntry {
    Ip address = {};
    std::vector<std::string> names = {};
    bool operator==(const HostEntry&) const = default;
};

/// /etc/hosts of a container: localhost, then `own` (the container itself), then its neighbours.
/// Names that occur on several addresses keep the order of `neighbours`. Pure.
std::string render_hosts(const HostEntry& own, const std::vector<HostEntry>& neighbours);

/// /etc/resolv.conf of a container: the host's `text` without name servers that only the host can
/// reach (127.0.0.0/8, ::1); where none is left, the public ones that Docker falls back to.
/// Search domains and options stay. Pure.
std::string render_resolv_conf(std::string_view text);

/// As above, with what a service wants instead: each list that is not empty takes the place of the
/// host's.
struct ResolverWishes {
    std::vector<std::string> servers = {};
    std::vector<std::string> search = {};  ///< ".": none at all, as Docker has it.
    std::vector<std::string> options = {};
};
std::string render_resolv_conf(std::string_view text, const ResolverWishes& wishes);

/// As above, for a container whose guard answers at `server`: that is the only server, and names
/// without a dot are asked for as they are.
std::string render_guarded_resolv_conf(std::string_view text, const ResolverWishes& wishes,
                                       std::string_view server);

/// The host's resolver configuration that has real servers: systemd-resolved's own file where
/// /etc/resolv.conf only names 127.0.0.53.
std::string host_resolv_conf();

}  // namespace davit::network
