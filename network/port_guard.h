#pragma once

#include "base/result.h"
#include "network/ruleset.h"

#include <functional>
#include <string>
#include <vector>

/// What keeps the containers of one network from passing themselves off as each other: the table
/// `bridge davit`, which looks at every frame that comes from a guarded port before the bridge
/// learns from it. @source docs/network.md
namespace davit::network {

/// The nft script that makes the table exactly what `rules` say of guarded ports; without any
/// network it removes the table. Pure; golden-tested.
std::string render_guard(const Ruleset& rules);

/// The address of its link that Linux makes of a MAC address. @source RFC 4291, appendix A
/// @errors InvalidInput
Result<Ip> link_local_of(const std::string& mac);

/// Takes a script to the kernel.
using Loader = std::function<Result<void>(const std::string& script)>;

/// As `apply`, through `load`. Returns whether ports are guarded: not where the kernel refuses the
/// table of bridges as unsupported.
Result<bool> apply_through(const Loader& load, const Ruleset& rules);

/// Adds ports to the table, which `apply` has made. Does nothing where this process has learnt that
/// the kernel can't guard. @errors System where the table is missing
Result<void> guard_ports(const std::vector<GuardedPort>& ports);

/// Whether this kernel has nf_tables for bridges. Changes nothing. @errors as `load_script`
Result<bool> can_guard();

}  // namespace davit::network
