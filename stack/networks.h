#pragma once

#include "base/result.h"
#include "compose/project.h"
#include "stack/operations.h"
#include "stack/records.h"

#include <map>
#include <string>
#include <vector>

/// The networks of a data root: those of projects, and those made by `davit network create`.
namespace davit::stack {

/// What stands in the place of a project for networks that belong to none. No project can be called
/// so.
inline constexpr const char* kNoProject = "@networks";

/// A container on a network.
struct NetworkUser {
    std::string project = {};
    std::string name = {};
    std::string id = {};
    Endpoint endpoint = {};
    bool running = false;
};

struct NetworkView {
    NetworkRecord record = {};
    std::string id = {};  ///< 64 hex digits, made of what the network is.
    std::map<std::string, std::string> labels = {};  ///< With those that Docker Compose gives.
    std::vector<NetworkUser> users = {};             ///< By name; also those that don't run.
};

/// All networks, by name. Takes no lock.
Result<std::vector<NetworkView>> list_networks(const Paths& paths);

/// The network that `text` means: its name, or an unambiguous beginning of its id.
/// @errors NotFound; InvalidInput where it is ambiguous
Result<NetworkView> find_network_view(const std::vector<NetworkView>& networks,
                                      const std::string& text);

/// A network as the flags of `davit network create` ask for it.
struct NewNetwork {
    std::string name = {};
    std::string driver = "bridge";
    std::vector<std::string> subnets = {};   ///< CIDR; empty: of the host's pools.
    std::vector<std::string> gateways = {};  ///< Each belongs to the subnet that it lies in.
    std::vector<std::string> ranges = {};    ///< CIDR
    std::vector<std::string> reserved = {};  ///< NAME=ADDRESS
    std::map<std::string, std::string> labels = {};
    std::map<std::string, std::string> options = {};
    bool internal = false;
    bool ipv6 = false;
};

/// Checks what is asked for. Pure. @errors InvalidInput
Result<compose::Network> network_of(const NewNetwork& wanted);

/// Makes a network that belongs to no project, and returns its id.
/// @errors as `network_of`; AlreadyExists; Busy where its subnet is taken
Result<std::string> create_network(const Environment& environment, const NewNetwork& wanted);

/// The network that `text` means, which no container is on.
/// @errors NotFound; Busy where a container is on it, naming the container
Result<NetworkView> removable_network(const Paths& paths, const std::string& text);

/// @errors as `removable_network`
Result<void> remove_network(const Environment& environment, const std::string& text);

/// Removes the networks that no container is on. Returns their names.
Result<std::vector<std::string>> prune_networks(const Environment& environment);

/// Makes what the kernel needs for a network whose record is chosen, and notes it. `usual_mtu` is
/// for one that says none. The rules are the caller's to update.
Result<void> bring_network_up(const Paths& paths, const NetworkRecord& record, int usual_mtu);
/// Takes it away again, with its claim, but not its record; updates the rules.
Result<void> take_network_down(const Paths& paths, const NetworkRecord& record);

/// Whether the link that the network lives on is there: a reboot takes it away.
Result<bool> network_is_up(const NetworkRecord& record);

}  // namespace davit::stack
