#pragma once

#include "base/json.h"
#include "compose/project.h"
#include "compose/state.h"
#include "image/store.h"
#include "stack/cdi.h"
#include "stack/devices.h"
#include "stack/records.h"
#include "stack/sharing.h"
#include "stack/users.h"
#include "stack/volume_mount.h"

#include <map>
#include <string>
#include <vector>

/// From the Compose model to what the runtime consumes. Pure: everything that must be looked up or
/// chosen on this host comes in as a value.
namespace davit::stack {

/// One container about to be made, with all choices made.
struct ContainerInputs {
    const compose::Project* project = nullptr;
    const compose::DesiredContainer* wanted = nullptr;
    const image::Image* image = nullptr;
    std::string name = {};
    std::string id = {};         ///< 64 hex digits.
    std::string created = {};    ///< RFC 3339
    std::uint32_t uid_base = 0;  ///< 0: the host's user namespace.
    std::vector<Endpoint> endpoints = {};
    std::vector<compose::Port> ports = {};  ///< With the host ports that were chosen.
    ResolvedUser user = {};
    std::string state_dir = {};
    std::string mount_points = {};   ///< The layer of mount_points.h; empty: none.
    std::string anonymous_dir = {};  ///< Where its anonymous volumes live.
    std::string volumes_dir = {};    ///< Where named volumes live.
    std::string run_dir = {};        ///< Of the container: configs and secrets are there.
    /// Options of the named volumes that have some, by name on this host.
    std::map<std::string, VolumeMount> volume_mounts = {};
    std::map<std::string, image::Image> mounted_images = {};  ///< By the name in the file.
    std::vector<DeviceNode> devices = {};                     ///< With those of `cdi`.
    CdiEdits cdi = {};
    std::map<std::string, DeviceNumber> block_devices = {};  ///< By path.
    Joins joins = {};
    std::string hostname = {};         ///< Where the service says none; empty: digits of its id.
    std::string runtime_program = {};  ///< davit-runtime, which is also the small process 1.
};

/// What is written down about the container.
ContainerRecord make_record(const ContainerInputs& inputs);

/// Its OCI configuration. `run_dir` holds hosts, hostname and resolv.conf.
/// @errors InvalidInput for a stop signal, log option or capability that means nothing
Result<Json> make_config(const ContainerInputs& inputs, const ContainerRecord& record,
                         const std::string& run_dir);

/// The program and arguments, as Docker resolves the service's against the image's: an entrypoint
/// of the service also puts the image's command aside.
struct CommandLine {
    std::vector<std::string> entrypoint = {};
    std::vector<std::string> cmd = {};
};
CommandLine command_line(const compose::Service& service, const image::ImageConfig& image);

/// Where the text of a service's config or secret is kept.
std::string inline_file(const std::string& run_dir, std::size_t index);

/// Where the node of a container's device is kept.
std::string device_file(const std::string& state_dir, std::size_t index);

/// Cgroup of a container, beneath each hierarchy.
std::string cgroup_path(const std::string& project, const std::string& container);
/// The container's own, with the `cgroup_parent` that its service asks for.
std::string cgroup_of(const ContainerRecord& record);

}  // namespace davit::stack
