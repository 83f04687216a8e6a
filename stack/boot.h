#pragma once

#include "stack/life.h"
#include "stack/status.h"

#include <string>
#include <vector>

/// What comes back after a reboot, and the systemd unit that brings it.
namespace davit::stack {

/// How a container's last run ended, where it ended for good: DATA ROOT/…/<container>/ended.json,
/// which the guard writes and the next start removes. It outlives a reboot, unlike the state.
struct Ended {
    bool known = false;  ///< False: it ran, or its guard was killed, when the machine went down.
    bool by_user = false;
    bool told = false;  ///< What follows is known: also where the end of the machine ended it.
    int exit_code = 0;
    std::string finished_at = {};  ///< RFC 3339, or empty.
};
Ended read_ended(const Paths& paths, const ContainerRecord& record);

/// Whether a container comes back with the machine: it has a restart policy, nobody has stopped it,
/// and it had not come to its own end. Pure. @source moby daemon/restart, "unless-stopped"
bool comes_back(const compose::RestartPolicy& policy, const Ended& ended);

/// Brings back what comes back, in the order of its dependencies and with their conditions, as
/// `start` does it. Also finishes a `boot_down` that the end of the machine has cut off.
Result<Failures> boot_up(const Environment& environment, LifeRequest request);

/// Stops everything for the end of the machine: what ran comes back with it.
Result<Failures> boot_down(const Environment& environment, LifeRequest request);

/// What the unit of a project needs to know.
struct BootUnit {
    std::string project = {};
    std::string data_root = {};
    std::vector<std::string> mounts = {};  ///< Absolute paths that must be mounted before it.
    std::string program = {};              ///< davit.
};

/// The text of davit@.service: one for all projects, `%i` is the name of one. Pure.
std::string unit_template(const std::string& program);

/// What differs for one project: a drop-in of that unit. Pure.
std::string unit_drop_in(const BootUnit& unit);

/// The unit of a project as systemd calls it: "davit@shop.service".
std::string unit_name(const std::string& project);

/// Writes the drop-in and the link that make systemd start the unit with the machine, below `root`,
/// "" for this machine; also the template, where no package has brought one.
/// @errors PermissionDenied, System
Result<void> enable_unit(const std::string& root, const BootUnit& unit);

/// Takes them away. False where there was nothing.
Result<bool> disable_unit(const std::string& root, const std::string& project);

bool is_enabled(const std::string& root, const std::string& project);

}  // namespace davit::stack
