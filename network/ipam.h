#pragma once

#include "network/address.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace davit::network {

/// Where networks come from when the file says nothing: 172.17.0.0/16 … 172.31.0.0/16 as /16s, then
/// 192.168.0.0/16 as /20s, as Docker has it.
std::vector<Cidr4> default_pool();

/// The first network of `pool` that overlaps none of `taken`. Pure.
/// @errors Busy, saying how many were tried and the cure (a subnet in the file)
Result<Cidr4> pick_subnet(const std::vector<Cidr4>& pool, const std::vector<Cidr4>& taken);

/// The gateway of a subnet: its first host address.
Ipv4 gateway_of(const Cidr4& subnet);

/// A free address of `subnet` that is neither the network, the broadcast address, the gateway nor
/// in `taken`: `preferred` where it is free, else the lowest one. Pure.
/// @errors Busy where none is left, with the number of addresses
Result<Ipv4> pick_address(const Cidr4& subnet, const std::set<Ipv4>& taken,
                          std::optional<Ipv4> preferred);

/// The MAC address for a container at `ip`: 02:42 and the four bytes of the address, so that a
/// recreated container at the same address needs no gratuitous ARP.
std::string mac_for(Ipv4 ip);

/// A link name of at most 15 characters: `prefix` and 10 hex digits of a hash over `of`.
/// FNV-1a is enough here: a clash is found when the link is made, and named.
std::string link_name(std::string_view prefix, std::string_view of);

}  // namespace davit::network
