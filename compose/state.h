#pragma once

#include "compose/project.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace davit::compose {

/// A network that must exist.
struct DesiredNetwork {
    std::string key = {};  ///< In the file: "default".
    Network config = {};
    std::string config_hash = {};

    bool operator==(const DesiredNetwork&) const = default;
};

/// A named volume that must exist.
struct DesiredVolume {
    std::string key = {};
    Volume config = {};

    bool operator==(const DesiredVolume&) const = default;
};

/// Another container that is waited for, or whose restart is followed.
struct Gate {
    std::string container = {};
    Awaited condition = Awaited::Started;
    bool required = true;
    bool restart = false;

    bool operator==(const Gate&) const = default;
};

/// A container that must exist and run.
struct DesiredContainer {
    std::string service = {};
    int number = 1;
    Service config = {};
    /// Covers every setting whose change needs a new container, and nothing else.
    std::string config_hash = {};
    std::vector<std::string> networks = {};  ///< Names on this host.
    std::vector<std::string> volumes = {};   ///< Names on this host of the named volumes it uses.
    std::vector<std::string> needs = {};     ///< Containers that must have been started first.
    std::vector<Gate> gates = {};            ///< Of these, those with more to say than that.
    bool one_off = false;                    ///< Of `run`: a container beside the service's own.
    bool aliases = true;                     ///< It answers to the name of its service.

    bool operator==(const DesiredContainer&) const = default;
};

/// Everything a project asks for, by name on this host.
struct DesiredState {
    std::string project = {};
    std::map<std::string, DesiredNetwork> networks = {};
    std::map<std::string, DesiredVolume> volumes = {};
    std::map<std::string, DesiredContainer> containers = {};
    std::vector<std::string> inactive = {};  ///< Services that take no part; see Project.
    std::set<std::string> services = {};     ///< All that take part, also those of no container.

    bool operator==(const DesiredState&) const = default;
};

/// What a container of the service is called on this host.
std::string container_name(const Project& project, const Service& service, int number = 1);

/// What a project asks for, names and hashes worked out. `scale` goes before what the file says of
/// the number of containers of a service. Pure.
DesiredState desired_state(const Project& project, const std::map<std::string, int>& scale = {});

/// What a single container beside those of its service asks for; `service` is that service as the
/// user wants it this once. Pure.
DesiredState desired_one_off(const Project& project, const Service& service,
                             const std::string& name);

/// The container of `desired` whose network, processes or IPC objects the container `name` shares
/// (`network_mode: service:…` and so on); empty where there is none.
std::string joined_container(const DesiredState& desired, const std::string& name);

/// What was found on this machine, read once before planning.
struct ObservedContainer {
    std::string service = {};
    std::string config_hash = {};
    std::string image_id = {};
    bool running = false;  ///< Running, restarting or paused: the guard has it in hand.
    bool healthy = false;
    bool completed = false;  ///< It has run, and ended with status 0.
    bool one_off = false;
    /// Who made it was killed before it was whole: it has never run, and can't.
    bool half_made = false;
    int number = 1;
    std::vector<std::string> networks = {};
    std::vector<std::string> needs =
        {};                        ///< As recorded when it was created; gives the stop order.
    std::vector<Gate> gates = {};  ///< As recorded.
    std::string network_of = {};   ///< The container of the project whose network it shares.
    bool partner_renewed = false;  ///< The container that it shares with has been made anew since.
};
struct ObservedNetwork {
    std::string config_hash = {};
    bool in_kernel = false;  ///< False: recorded, but its bridge is gone (after a reboot).
};
struct ObservedState {
    std::map<std::string, ObservedNetwork> networks = {};
    std::vector<std::string> volumes = {};
    std::map<std::string, ObservedContainer> containers = {};
    /// Id of each image that the desired containers name and that the store has.
    std::map<std::string, std::string> image_ids = {};
};

}  // namespace davit::compose
