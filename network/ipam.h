#pragma once

#include "network/address.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace davit::network {

/// Where networks come from when the file says nothing: networks of `size` bits, cut out of `base`
/// from its beginning. As Docker's "default-address-pools".
struct Pool {
    Cidr base = {};
    int size = 0;  ///< Not less than the base's prefix.
    bool operator==(const Pool&) const = default;
};

/// 172.17.0.0/16 … 172.31.0.0/16 as /16s, then 192.168.0.0/16 as /20s, as Docker has it.
std::vector<Pool> default_pools();

/// A network fdXX:XXXX:XXXX::/48 cut into /64s, XX made of what names this host.
/// @source RFC 4193 §3.2
Pool local_pool(std::string_view host_id);

/// The first network of `pools` that overlaps none of `taken`. Pure.
/// @errors Busy, saying how many were tried and the cure (a subnet in the file)
Result<Cidr> pick_subnet(const std::vector<Pool>& pools, const std::vector<Cidr>& taken);

/// The usual gateway of a subnet: its first host address.
Ip gateway_of(const Cidr& subnet);

/// What an address is chosen from.
struct AddressSpace {
    Cidr subnet = {};
    std::optional<Cidr> range = {};  ///< Where addresses are chosen; none: the whole subnet.
    std::set<Ip> taken = {};         ///< The gateway and reserved ones among them.
};

/// Whether `ip` may be given to a container: not the network, not the broadcast address, not taken.
/// One outside of the range may be asked for.
bool is_usable(const AddressSpace& space, const Ip& ip);

/// A free address: `preferred` where it is free, else the lowest one of the range. Pure.
/// @errors Busy where none is left, with the number of addresses
Result<Ip> pick_address(const AddressSpace& space, std::optional<Ip> preferred);

/// The MAC address for a container at `ip`: 02:42 and the (last) four bytes of the address, so that
/// a recreated container at the same address needs no gratuitous ARP.
std::string mac_for(const Ip& ip);

/// A link name of at most 15 characters: `prefix` and 10 hex digits of a hash over `of`.
/// FNV-1a is enough here: a clash is found when the link is made, and named.
std::string link_name(std::string_view prefix, std::string_view of);

}  // namespace davit::network
