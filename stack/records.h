#pragma once

#include "base/file.h"
#include "base/result.h"
#include "compose/project.h"
#include "compose/state.h"
#include "runtime/health.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// What davit wrote down about networks, volumes and containers. One JSON file each, one owner
/// each, replaced by rename; see docs/architecture.md, "On disk".
namespace davit::stack {

/// Of containers that are looked at one by one: how many a thread more is worth starting for.
inline constexpr std::size_t kWorthAThread = 24;

/// Where everything lives. Computes paths, touches nothing.
struct Paths {
    std::string data_root = "/var/lib/davit";
    std::string run_root = "/run/davit";

    std::string projects() const { return data_root + "/projects"; }
    std::string project(const std::string& name) const { return projects() + "/" + name; }
    std::string project_lock(const std::string& name) const { return project(name) + "/lock"; }
    std::string networks(const std::string& name) const { return project(name) + "/networks"; }
    std::string containers(const std::string& name) const { return project(name) + "/containers"; }
    std::string container(const std::string& project_name,
                          const std::string& container_name) const {
        return containers(project_name) + "/" + container_name;
    }
    std::string volumes() const { return data_root + "/volumes"; }
    std::string run_project(const std::string& name) const { return run_root + "/" + name; }
    std::string run_container(const std::string& project_name,
                              const std::string& container_name) const {
        return run_project(project_name) + "/" + container_name;
    }
};

/// One attachment of a container to a network.
struct Endpoint {
    std::string network = {};  ///< Name on this host.
    std::string ip = {};       ///< "172.17.0.2"; empty in a network without IPv4.
    int prefix = 16;
    std::string gateway = {};
    std::string mac = {};
    std::string host_link = {};  ///< The veth end on the bridge; empty for a shared link.
    std::vector<std::string> aliases = {};
    std::string ip6 = {};  ///< Empty in a network without IPv6.
    int prefix6 = 64;
    std::string gateway6 = {};
    std::string interface = {};                    ///< Inside the container.
    std::vector<std::string> link_local_ips = {};  ///< Addresses without a prefix.
    bool default4 = false;                         ///< Has the container's default route.
    bool default6 = false;
    bool internal = false;                            ///< Of an internal network.
    std::map<std::string, std::string> sysctls = {};  ///< "net.ipv4.conf.IFNAME.…" and value.
};

/// A mount as `inspect` shows it.
struct MountRecord {
    std::string type = {};         ///< "bind", "volume" or "image"
    std::string name = {};         ///< Of the volume, or the image's id; empty for a bind.
    std::string source = {};       ///< Absolute path on the host; of an image its name.
    std::string destination = {};  ///< Inside the container.
    bool read_only = false;
    bool anonymous = false;
    bool file = false;  ///< A config or secret: a file of the run root that is the container's own.
    std::vector<std::string> options = {};  ///< Of OCI, beside those that every mount gets.
    std::string propagation = {};           ///< Empty: rprivate.
    bool alone = false;                     ///< Without what is mounted in the source.
};

/// Ids of the range that each container has to itself: as many as a plain system has.
inline constexpr std::uint32_t kIdsPerContainer = 65536;

struct ContainerRecord {
    std::string id = {};  ///< 64 hex digits.
    std::string name = {};
    std::string project = {};
    std::string service = {};
    int number = 1;
    std::string image = {};     ///< As the file names it.
    std::string image_id = {};  ///< 64 hex digits.
    std::string config_hash = {};
    std::string created = {};      ///< RFC 3339
    std::string working_dir = {};  ///< Of the project.
    std::vector<std::string> files = {};
    std::string hostname = {};
    std::string user = {};
    std::string cwd = {};
    std::vector<std::string> entrypoint = {};  ///< As resolved against the image.
    std::vector<std::string> cmd = {};
    std::vector<std::string> env = {};
    std::map<std::string, std::string> labels = {};
    std::vector<std::string> exposed_ports = {};  ///< "80/tcp", of the image and the file.
    std::vector<compose::Port> ports = {};        ///< With the host port that was chosen.
    std::vector<MountRecord> mounts = {};
    std::vector<Endpoint> endpoints = {};
    std::vector<std::string> needs = {};    ///< Containers it depends on.
    std::vector<compose::Gate> gates = {};  ///< Of these, those with more to say than that.
    bool one_off = false;                   ///< Made by `run`.
    compose::RestartPolicy restart = {};
    compose::Logging logging = {};
    compose::Resources resources = {};
    compose::Resolver resolver = {};
    std::vector<std::string> links = {};  ///< "NAME:ALIAS", of containers and services.
    std::string network_mode = {};        ///< As in compose::Service.
    std::string network_container = {};   ///< "project/name" of the one whose network it shares.
    std::string network_id = {};          ///< Id of that container.
    bool relay_ports = false;             ///< The guard passes everything on, not the kernel.
    bool own_dns = false;                 ///< It may answer on port 53 itself.
    compose::Privileges privileges = {};
    bool read_only = false;
    bool tty = false;
    bool stdin_open = false;
    compose::Sharing sharing = {};
    std::int64_t shm_size_bytes = 0;  ///< Of /dev/shm that others may have, too; 0: the default.
    std::vector<compose::Device> devices = {};
    std::string cgroup_parent = {};
    std::optional<runtime::HealthCheck> health_check = {};
    std::string stop_signal = {};
    std::chrono::milliseconds stop_timeout{10000};
    std::vector<compose::Hook> post_start = {};
    std::vector<compose::Hook> pre_stop = {};
    std::uint32_t uid_base = 0;  ///< First host id of its range; 0: the host's user namespace.
    std::string state_dir = {};  ///< Folder of rw/ and of the log (on the service's data root).
    std::string log_path = {};
};

/// One range of addresses of a network.
struct SubnetRecord {
    std::string subnet = {};   ///< CIDR
    std::string gateway = {};  ///< The bridge's address.
    std::string range = {};    ///< CIDR that addresses are chosen from; empty: the subnet.
    std::map<std::string, std::string> reserved = {};  ///< Addresses kept free, by name.
};

struct NetworkRecord {
    std::string name = {};
    std::string key = {};
    std::string project = {};
    std::string bridge = {};  ///< Link; also the network's id where its driver has no bridge.
    std::vector<SubnetRecord> subnets = {};
    std::string config_hash = {};
    std::string created = {};
    std::string driver = "bridge";
    bool internal = false;
    bool masquerade = true;
    bool icc = true;
    int mtu = 0;                    ///< 0: the uplink's.
    std::string host_binding = {};  ///< Host address of ports that name none; empty: all.
    std::string prefix = "eth";     ///< Of interface names.
    std::string parent = {};        ///< Of macvlan and ipvlan: the host's link.
    std::string mode = {};          ///< Of macvlan and ipvlan.
    std::map<std::string, std::string> labels = {};
    std::map<std::string, std::string> options = {};  ///< driver_opts as the file has them.
};

struct VolumeRecord {
    std::string name = {};
    std::string project = {};  ///< The project that made it.
    std::string created = {};
    std::map<std::string, std::string> labels = {};
    std::map<std::string, std::string> options = {};  ///< type, o, device: what is mounted there.
};

/// All containers of a project, by name. A half-made one (killed between its folder and its record)
/// has only name and project set, so that `down` finds and removes it.
Result<std::map<std::string, ContainerRecord>> read_containers(const Paths& paths,
                                                               const std::string& project);
Result<std::map<std::string, NetworkRecord>> read_networks(const Paths& paths,
                                                           const std::string& project);
Result<std::map<std::string, VolumeRecord>> read_volumes(const Paths& paths);
/// One without a record has only its name set.
Result<VolumeRecord> read_volume(const Paths& paths, const std::string& name);

/// Names of all projects that have a folder in the data root.
Result<std::vector<std::string>> list_projects(const Paths& paths);

Result<void> write_record(const Paths& paths, const ContainerRecord& record);
Result<void> write_record(const Paths& paths, const NetworkRecord& record);
/// Into `folder`, which becomes the volume's.
Result<void> write_record(const std::string& folder, const VolumeRecord& record);

}  // namespace davit::stack
