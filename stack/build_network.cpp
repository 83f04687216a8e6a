#include "stack/build_network.h"

#include "base/failpoint.h"
#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "base/sys.h"
#include "network/ipam.h"
#include "network/links.h"
#include "runtime/cgroup.h"
#include "stack/allocate.h"
#include "stack/claims.h"
#include "stack/lower.h"

#include <fcntl.h>
#include <set>
#include <sys/file.h>

namespace davit::stack {
namespace {

constexpr int kShownId = 12;

std::string folder_of(const Paths& paths) { return paths.run_project(kBuildProject); }

std::string network_file(const Paths& paths) { return folder_of(paths) + "/.networks/build.json"; }

Result<std::vector<std::string>> places(const Paths& paths) {
    std::vector<std::string> names = TRY(list_directory(folder_of(paths)));
    std::erase_if(names, [](const std::string& name) { return name.starts_with('.'); });
    return names;
}

bool is_abandoned(const std::string& folder) {
    const auto lease = sys::open(folder + "/lease", O_RDWR);
    return !lease || ::flock(lease->get(), LOCK_EX | LOCK_NB) == 0;
}

Result<void> end_place(const Paths& paths, const std::string& name) {
    const runtime::Cgroup cgroup = runtime::Cgroup::at(build_cgroup(name));
    TRY(cgroup.kill_all());
    TRY(cgroup.remove());
    return remove_tree(folder_of(paths) + "/" + name);
}

/// The veth end on the bridge.
std::string link_of(const BuildPlace& place) {
    return network::link_name("dvv-", place.id + "\nbuild");
}

}  // namespace

std::string build_cgroup(const std::string& id) {
    return cgroup_path(kBuildProject, id.substr(0, kShownId));
}

BuildPlace::~BuildPlace() {
    if (run_dir.empty()) return;
    if (const auto removed = remove_tree(run_dir); !removed)
        log::warn("stack", "{}, ignoring", removed.error().to_string());
}

BuildNetwork::~BuildNetwork() {
    if (!used_) return;
    if (const auto done = tear_down(); !done)
        log::warn("stack", "{}, ignoring", done.error().to_string());
}

/// Call with the host lock held.
Result<void> BuildNetwork::sweep() const {
    const std::vector<std::string> names = TRY(places(paths_));
    for (const std::string& name : names)
        if (is_abandoned(folder_of(paths_) + "/" + name)) TRY(end_place(paths_, name));
    return {};
}

Result<void> BuildNetwork::ensure_bridge(BuildPlace& place) {
    NetworkRecord record;
    record.name = "build";
    record.project = kBuildProject;
    record.bridge = network::link_name("dvb-", paths_.run_root + "\n" + kBuildProject);
    const auto known = read_record(network_file(paths_), 1);
    const Json ours = known ? known->value("subnets", Json::array()) : Json::array();
    network::Cidr subnet;
    if (!ours.empty() && ours.front().is_string()) {
        subnet = TRY(network::parse_cidr(ours.front().get<std::string>()));
    } else {
        std::vector<network::Cidr> taken = TRY(network::used_subnets());
        const std::vector<network::Cidr> claimed = TRY(claimed_subnets(paths_));
        taken.insert(taken.end(), claimed.begin(), claimed.end());
        subnet = TRY(network::pick_subnet(network::default_pools(), taken));
    }
    place.gateway = network::gateway_of(subnet);
    record.subnets = {{to_string(subnet), to_string(place.gateway), {}, {}}};
    place.bridge = record.bridge;
    TRY(write_network_claim(paths_, record));
    network::BridgeSpec bridge;
    bridge.name = record.bridge;
    bridge.alias = "davit build";
    bridge.mtu = TRY(network::uplink_mtu());
    bridge.addresses = {{place.gateway, subnet.prefix}};
    FAILPOINT("build.bridge");
    TRY(network::ensure_bridge(bridge));
    network::AddressSpace space;
    space.subnet = subnet;
    space.taken.insert(place.gateway);
    const std::vector<std::string> names = TRY(places(paths_));
    for (const std::string& name : names) {
        const auto text = read_file(folder_of(paths_) + "/" + name + "/address");
        if (!text) continue;
        if (const auto ip = network::parse_ipv4(*text)) space.taken.insert(*ip);
    }
    place.address = {TRY(network::pick_address(space, std::nullopt)), subnet.prefix};
    return write_in_place(place.run_dir + "/address", to_string(place.address.address), 0600);
}

Result<BuildPlace> BuildNetwork::admit(bool own_users, bool connected) {
    const std::string id = random_hex(32);
    const std::string run_dir = folder_of(paths_) + "/" + id.substr(0, kShownId);
    const auto choose = [&]() -> Result<BuildPlace> {
        const FileLock lock = TRY(lock_host(paths_));
        TRY(write_project_claim(paths_, kBuildProject));
        used_ = true;
        TRY(sweep());
        FAILPOINT("build.place");
        TRY(make_directories(run_dir, 0700));
        FileLock lease = TRY(FileLock::exclusive(run_dir + "/lease"));
        BuildPlace place(std::move(lease), paths_);
        place.id = id;
        place.run_dir = run_dir;
        if (own_users) {
            const std::set<std::uint32_t> used = TRY(used_id_ranges(paths_));
            place.uid_base = TRY(choose_ids(used, id));
        }
        ContainerClaims claims;
        claims.uid_base = place.uid_base;
        TRY(write_claims(run_dir, claims));
        if (!connected) return place;
        TRY(ensure_bridge(place));
        claims.guarded = {
            {link_of(place), network::mac_for(place.address.address), {place.address.address}}};
        claims.published = true;
        TRY(write_claims(run_dir, claims));
        return place;
    };
    BuildPlace place = TRY(choose());
    if (connected) TRY(rules_.update());
    return place;
}

Result<void> BuildNetwork::connect(const BuildPlace& place, const UniqueFd& netns) {
    if (place.bridge.empty()) return network::loopback_up(netns);
    network::AttachSpec spec;
    spec.bridge = place.bridge;
    spec.host_link = link_of(place);
    spec.addresses = {place.address};
    spec.gateways = {place.gateway};
    spec.mac = network::mac_for(place.address.address);
    spec.mtu = TRY(network::uplink_mtu());
    return network::attach(netns, {spec});
}

Result<void> BuildNetwork::tear_down() {
    bool had_bridge = false;
    {
        const FileLock lock = TRY(lock_host(paths_));
        TRY(sweep());
        const std::vector<std::string> others = TRY(places(paths_));
        if (!others.empty()) return {};
        const auto known = read_record(network_file(paths_), 1);
        had_bridge = known.ok();
        FAILPOINT("build.tear-down");
        if (known) {
            TRY(remove_tree(network_file(paths_)));
            TRY(network::remove_bridge(string_or(*known, "bridge")));
        }
    }
    if (had_bridge) TRY(rules_.update());
    const std::vector<std::string> others = TRY(places(paths_));
    // One that began meanwhile has made its own claims, and takes everything away when it ends.
    return others.empty() ? tidy_run_root(paths_, kBuildProject) : Result<void>();
}

}  // namespace davit::stack
