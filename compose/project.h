#pragma once

#include "base/source.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// The Compose model as plain values: what a file says, with defaults applied and short forms
/// written out. No pointers into the file and no positions; those stand in the SourceMap beside.
/// Words are those of the Compose specification.
namespace davit::compose {

/// One published port. @source Compose spec, services "ports"
struct Port {
    std::string host_ip = {};     ///< Empty: every address of the host.
    std::uint16_t published = 0;  ///< 0: the host picks one.
    std::uint16_t target = 0;     ///< 1..65535
    std::string protocol = "tcp";
    /// The first free port from `published` to this one is taken; 0: only `published` will do.
    std::uint16_t published_last = 0;

    bool operator==(const Port&) const = default;
};

/// A network that a service joins. @source Compose spec, services "networks"
struct Attachment {
    std::string network = {};  ///< Key in the top-level `networks`.
    std::vector<std::string> aliases = {};
    std::string ipv4_address = {};  ///< Empty: the host picks one.
    std::string ipv6_address = {};
    std::vector<std::string> link_local_ips = {};
    std::string mac_address = {};     ///< "02:42:…", lower case; empty: made of the address.
    std::string interface_name = {};  ///< Empty: eth and the number of the attachment.
    std::map<std::string, std::string> driver_opts = {};
    int priority = 0;     ///< The highest is joined first, and is eth0.
    int gw_priority = 0;  ///< The highest has the default route.

    bool operator==(const Attachment&) const = default;
};

enum class MountType { Bind, Volume, Image };

/// One mount of a service. @source Compose spec, services "volumes"
struct Mount {
    MountType type = MountType::Bind;
    /// Bind: absolute path on the host. Volume: key in the top-level `volumes`; empty: anonymous.
    /// Image: its name.
    std::string source = {};
    std::string target = {};  ///< Absolute and clean, inside the container.
    bool read_only = false;
    bool create_host_path = true;  ///< Bind: make a missing source folder, as the short form does.
    std::string propagation = {};  ///< Bind: "rslave", "shared", …; empty: rprivate.
    std::string recursive = {};    ///< Bind: "disabled" or "readonly"; empty: what is in it, too.
    bool no_copy = false;          ///< Volume: a fresh one doesn't get what the image has there.
    std::string subpath = {};      ///< Volume, image: a path inside of it; relative and clean.

    bool operator==(const Mount&) const = default;
};

/// `restart:`. @source Compose spec, services "restart"
struct RestartPolicy {
    enum class Condition { No, Always, OnFailure, UnlessStopped };
    Condition condition = Condition::No;
    int max_attempts = 0;  ///< on-failure:N; 0: no limit.

    bool operator==(const RestartPolicy&) const = default;
};

/// `logging:`. Drivers: "json-file", "local" (both are davit's rotated JSON lines) and "none".
struct Logging {
    std::string driver = "json-file";
    std::map<std::string, std::string> options = {};  ///< max-size ("10m"), max-file ("3").

    bool operator==(const Logging&) const = default;
};

/// A limit of one block device of the host.
struct BlockLimit {
    std::string path = {};    ///< "/dev/sda"
    std::uint64_t value = 0;  ///< Bytes or operations a second, or a weight.

    bool operator==(const BlockLimit&) const = default;
};

/// `blkio_config`. @source Compose spec, services "blkio_config"
struct BlockIo {
    std::uint64_t weight = 0;  ///< 10 to 1000; 0: not said.
    std::vector<BlockLimit> weight_device = {};
    std::vector<BlockLimit> read_bps = {};
    std::vector<BlockLimit> read_iops = {};
    std::vector<BlockLimit> write_bps = {};
    std::vector<BlockLimit> write_iops = {};

    bool operator==(const BlockIo&) const = default;
};

/// cgroup limits; 0: no limit. @source Compose spec, services "mem_limit", "cpus", "pids_limit", …
struct Resources {
    std::int64_t memory_bytes = 0;
    double cpus = 0;
    std::int64_t pids = 0;
    std::int64_t memory_reservation_bytes = 0;
    std::int64_t memory_swap_bytes =
        0;  ///< Memory and swap together; 0: twice the memory; -1: all.
    std::int64_t cpu_shares = 0;
    std::int64_t cpu_quota_us = 0;
    std::int64_t cpu_period_us = 0;
    std::int64_t cpu_realtime_runtime_us = 0;
    std::int64_t cpu_realtime_period_us = 0;
    std::string cpuset = {};  ///< "0-3,7"; empty: all.
    BlockIo block_io = {};

    bool operator==(const Resources&) const = default;
};

/// One of `ulimits`; -1: no limit. @source Compose spec, services "ulimits"
struct Ulimit {
    std::int64_t soft = 0;
    std::int64_t hard = 0;

    bool operator==(const Ulimit&) const = default;
};

/// A file system in memory. @source Compose spec, services "tmpfs" and "volumes"
struct Tmpfs {
    std::string target = {};                ///< Absolute and clean.
    std::vector<std::string> options = {};  ///< As mount(8) takes them: "size=64m", "mode=1777".

    bool operator==(const Tmpfs&) const = default;
};

/// A config or secret, as read when the model was: the container gets a copy. One that is a folder
/// of the host is a Mount. @source Compose spec, services "configs" and "secrets"
struct InlineFile {
    std::string target = {};  ///< Absolute.
    std::string content = {};
    std::optional<std::uint32_t> uid = {};  ///< As the container sees it; absent: its user's.
    std::optional<std::uint32_t> gid = {};
    std::uint32_t mode = 0444;
    std::string source = {};      ///< A file of the host, absolute; empty: written in the model.
    std::string unreadable = {};  ///< Why `source` could not be read; empty: it was.

    bool operator==(const InlineFile&) const = default;
};

/// What a container may do. @source Compose spec, services "cap_add", "security_opt", …
struct Privileges {
    std::vector<std::string> cap_add = {};  ///< With or without CAP_; "ALL".
    std::vector<std::string> cap_drop = {};
    bool no_new_privileges = false;
    bool unfiltered = false;      ///< security_opt: seccomp=unconfined
    bool unmasked_paths = false;  ///< security_opt: systempaths=unconfined
    bool host_users = false;      ///< userns_mode: host, or what can't be had without
    bool privileged = false;
    /// security_opt: seccomp=FILE: the path, absolute once it is bound, and what stands in there.
    std::string seccomp_file = {};
    std::string seccomp_profile = {};
    std::string apparmor_profile = {};  ///< security_opt: apparmor=NAME; empty: as it is without.
    /// security_opt: label=user:…, role:…, type:…, level:…; empty: as it is without.
    std::map<std::string, std::string> selinux_parts = {};

    bool operator==(const Privileges&) const = default;
};

/// A device of the host, or a folder of them. @source Compose spec, services "devices"
struct Device {
    std::string source = {};  ///< Path on the host.
    std::string target = {};  ///< Path in the container.
    std::string permissions = "rwm";

    bool operator==(const Device&) const = default;
};

/// A device that its vendor describes in a file. @source Container Device Interface, SPEC.md
struct CdiDevice {
    std::string name = {};       ///< "vendor.com/class=name"
    std::string attribute = {};  ///< Of the service, where it was asked for: "gpus".

    bool operator==(const CdiDevice&) const = default;
};

/// Namespaces that are not the container's own: "" is its own, else "host", "service:NAME" or
/// "container:NAME"; `ipc` also knows "none", "private" and "shareable".
/// @source Compose spec, services "pid", "ipc", "uts", "cgroup"
struct Sharing {
    std::string pid = {};
    std::string ipc = {};
    std::string uts = {};
    std::string cgroup = {};

    bool operator==(const Sharing&) const = default;
};

/// How it is found out whether the service works. What isn't said is the image's, or Docker's.
/// @source Compose spec, services "healthcheck"
struct HealthCheck {
    bool disabled = false;
    /// {"CMD", program, …}, {"CMD-SHELL", text} or {"NONE"}.
    std::optional<std::vector<std::string>> test = {};
    std::optional<std::chrono::microseconds> interval = {};
    std::optional<std::chrono::microseconds> timeout = {};
    std::optional<std::chrono::microseconds> start_period = {};
    std::optional<std::chrono::microseconds> start_interval = {};
    std::optional<int> retries = {};

    bool operator==(const HealthCheck&) const = default;
};

/// How a container finds names. @source Compose spec, services "dns", "dns_search", "extra_hosts"
struct Resolver {
    std::vector<std::string> servers = {};
    std::vector<std::string> options = {};
    std::vector<std::string> search = {};
    std::vector<std::string> extra_hosts = {};  ///< "name=address"; address "host-gateway".

    bool operator==(const Resolver&) const = default;
};

/// What must hold of another container before one is started.
enum class Awaited {
    Started,    ///< It was started.
    Healthy,    ///< Its health check says so.
    Completed,  ///< It has ended with status 0.
    Running,    ///< `--wait`: healthy where it has a health check, else running.
};

/// A command at a turn of a container's life. @source Compose spec, services "post_start",
/// "pre_stop", "pre_start"
struct Hook {
    std::vector<std::string> command = {};
    std::string image = {};  ///< Of `pre_start`; empty: the service's.
    std::string user = {};   ///< Empty: the service's.
    std::string working_dir = {};
    bool privileged = false;
    std::map<std::string, std::string> environment = {};  ///< Over the service's.

    bool operator==(const Hook&) const = default;
};

/// One entry of `depends_on`. @source Compose spec, services "depends_on"
struct Dependency {
    std::string service = {};
    Awaited condition = Awaited::Started;
    bool required = true;  ///< False: the service is started also where the condition fails.
    bool restart = false;  ///< It is restarted when the other is made anew or restarted.

    bool operator==(const Dependency&) const = default;
};

/// One service, as the Compose specification describes it.
struct Service {
    std::string name = {};
    std::string image = {};
    std::string pull_policy = {};  ///< Canonical: "always", "every_12h", …; empty: missing.
    std::string platform = {};     ///< "linux/arm64"; empty: this host's.
    std::optional<std::vector<std::string>> command = {};     ///< Absent: the image's CMD.
    std::optional<std::vector<std::string>> entrypoint = {};  ///< Absent: the image's ENTRYPOINT.
    /// Resolved; a name without a value that the environment doesn't have is left out.
    std::map<std::string, std::string> environment = {};
    std::string working_dir = {};     ///< Empty: the image's.
    std::string user = {};            ///< Empty: the image's.
    std::string hostname = {};        ///< Empty: the first 12 digits of the container id.
    std::string container_name = {};  ///< Empty: <project>-<service>-<number>.
    std::vector<Port> ports = {};
    std::vector<Mount> volumes = {};
    std::vector<Dependency> depends_on = {};
    int scale = 1;       ///< Containers of it.
    bool attach = true;  ///< `up` shows its output.
    RestartPolicy restart = {};
    std::map<std::string, std::string> labels = {};
    Logging logging = {};
    Resources resources = {};
    Privileges privileges = {};
    Resolver resolver = {};
    std::string domainname = {};
    std::vector<std::string> group_add = {};  ///< Names or numbers.
    std::map<std::string, Ulimit> ulimits = {};
    std::map<std::string, std::string> sysctls = {};
    std::map<std::string, std::string> annotations = {};
    std::vector<Tmpfs> tmpfs = {};
    std::vector<InlineFile> inline_files = {};
    std::int64_t shm_size_bytes = 0;  ///< 0: 64 MiB.
    std::optional<int> oom_score_adj = {};
    std::optional<HealthCheck> healthcheck = {};
    std::vector<Device> devices = {};
    std::vector<CdiDevice> cdi_devices = {};
    std::int64_t storage_bytes = 0;  ///< Most in the writable layer; 0: no limit.
    std::vector<std::string> device_cgroup_rules = {};  ///< "c 1:3 rwm"
    Sharing sharing = {};
    std::string cgroup_parent = {};         ///< Absolute, or empty.
    bool tty = false;                       ///< A terminal as its standard streams.
    bool stdin_open = false;                ///< Its standard input can be attached to.
    bool read_only = false;                 ///< The root file system.
    bool init = false;                      ///< A small process 1 that reaps and passes signals on.
    std::vector<Attachment> networks = {};  ///< In the order in which they are joined.
    /// "none", "host", "service:NAME", "container:NAME", or empty: `networks` say it.
    std::string network_mode = {};
    std::vector<std::string> links = {};           ///< "SERVICE:ALIAS"
    std::vector<std::string> external_links = {};  ///< "CONTAINER:ALIAS"
    std::vector<std::string> expose = {};          ///< "53/udp"; tells of a port, opens nothing.
    bool relay_ports = false;                      ///< x-davit.publish: relay
    std::string stop_signal = {};                  ///< Empty: the image's, else SIGTERM.
    std::optional<std::chrono::microseconds> stop_grace_period = {};  ///< Absent: 10 s.
    std::vector<Hook> pre_start = {};   ///< In containers of their own, before the first start.
    std::vector<Hook> post_start = {};  ///< In the container, when it runs.
    std::vector<Hook> pre_stop = {};    ///< In the container, before it is told to stop.
    /// `x-davit.data_root`: where its writable layer, logs and anonymous volumes live. Absolute;
    /// empty: the stack's data root.
    std::string data_root = {};

    bool operator==(const Service&) const = default;
};

/// A top-level volume.
struct Volume {
    std::string name = {};  ///< On this host: `name:` of the file, else <project>_<key>.
    bool external = false;
    std::map<std::string, std::string> labels = {};
    std::map<std::string, std::string> driver_opts = {};  ///< type, o, device

    bool operator==(const Volume&) const = default;
};

/// Where a network takes its addresses from. @source Compose spec, networks "ipam"
struct AddressPool {
    std::string subnet = {};    ///< CIDR, or empty: the host picks one.
    std::string ip_range = {};  ///< CIDR within the subnet; empty: all of it.
    std::string gateway = {};   ///< Empty: the first address.
    std::map<std::string, std::string> aux_addresses = {};  ///< Kept free, by name.

    bool operator==(const AddressPool&) const = default;
};

/// A top-level network.
struct Network {
    std::string name = {};  ///< On this host: `name:` of the file, else <project>_<key>.
    std::vector<AddressPool> pools = {};
    std::map<std::string, std::string> labels = {};
    std::string driver = "bridge";  ///< or "macvlan", "ipvlan", "host", "none"
    std::map<std::string, std::string> driver_opts = {};
    bool external = false;  ///< Made by somebody else; never made or removed by this project.
    bool internal = false;  ///< No way out and no way in.
    bool ipv4 = true;
    bool ipv6 = false;

    bool operator==(const Network&) const = default;
};

/// Whether containers on a network of this driver share a link of the host, with no bridge between.
inline bool is_shared_link(const std::string& driver) {
    return driver == "macvlan" || driver == "ipvlan";
}

struct Project {
    std::string name = {};
    std::string working_dir = {};         ///< Absolute folder against which paths were resolved.
    std::vector<std::string> files = {};  ///< Absolute paths of the files read; "-" for stdin.
    std::string data_root = {};           ///< `x-davit.data_root`, absolute; empty where not said.
    std::map<std::string, Service> services = {};
    /// Services of the file that take no part, since their profiles are not active. Their
    /// containers, if there are any, are left alone.
    std::vector<std::string> inactive = {};
    std::map<std::string, Volume> volumes = {};
    std::map<std::string, Network> networks = {};  ///< Has "default" as soon as a service is there.

    bool operator==(const Project&) const = default;
};

/// Where in the user's files a value came from, by its path: "services.web.ports[0]".
class SourceMap {
public:
    void set(std::string path, SourcePos pos) { places_[std::move(path)] = std::move(pos); }
    /// The place of `path`, or of the nearest thing around it; nowhere where nothing is known.
    SourcePos find(std::string path) const;

private:
    std::map<std::string, SourcePos> places_;
};

}  // namespace davit::compose
