#pragma once

#include "network/links.h"
#include "runtime/dns_zone.h"
#include "stack/records.h"

#include <map>
#include <string>

/// What a container's network means to its files and to its guard. Pure.
namespace davit::stack {

/// What the guard's name server knows of the container. `networks` has those of its endpoints.
runtime::DnsSettings dns_settings(const ContainerRecord& record,
                                  const std::map<std::string, NetworkRecord>& networks,
                                  const Paths& paths);

/// /etc/resolv.conf of the container, `host` being the host's. A container with a network asks its
/// guard; one with the host's network reads what the host reads.
std::string resolv_conf_of(const ContainerRecord& record, const std::string& host);

/// /etc/hosts of the container: itself, and `extra_hosts`. Its neighbours are the name server's.
/// `host`: the host's, which a container with the host's network reads first.
std::string hosts_of(const ContainerRecord& record, const std::string& host = {});

/// An endpoint as links, addresses and routes. `usual_mtu` is that of networks that name none.
Result<network::AttachSpec> attach_spec(const Endpoint& endpoint, const NetworkRecord& network,
                                        int usual_mtu);

/// Rules of nftables inside the container's network namespace that lead 127.0.0.11:53 to the guard
/// on another port, so that the container can answer on port 53 itself.
std::string dns_detour();

}  // namespace davit::stack
