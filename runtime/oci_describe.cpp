#include "base/file.h"
#include "base/json.h"
#include "runtime/capabilities.h"
#include "runtime/cgroup.h"
#include "runtime/labels.h"
#include "runtime/mount_options.h"
#include "runtime/oci_commands.h"
#include "runtime/seccomp.h"

#include <fmt/format.h>

namespace davit::runtime {
namespace {

constexpr const char* kVersionMin = "1.0.0";
constexpr const char* kVersionMax = "1.3.0";

Json mount_json(const char* target, const char* type, std::vector<std::string> options) {
    return {
        {"destination", target}, {"type", type}, {"source", type}, {"options", std::move(options)}};
}

/// A configuration to begin with. @source runc spec
Json template_config() {
    const std::vector<std::string> caps = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
    Json config = {{"ociVersion", "1.2.0"}};
    config["process"] = {
        {"terminal", true},
        {"user", {{"uid", 0}, {"gid", 0}}},
        {"args", {"sh"}},
        {"env",
         {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"}},
        {"cwd", "/"},
        {"capabilities", {{"bounding", caps}, {"effective", caps}, {"permitted", caps}}},
        {"rlimits", Json::array({{{"type", "RLIMIT_NOFILE"}, {"hard", 1024}, {"soft", 1024}}})},
        {"noNewPrivileges", true}};
    config["root"] = {{"path", "rootfs"}, {"readonly", true}};
    config["hostname"] = "davit";
    config["mounts"] = Json::array(
        {mount_json("/proc", "proc", {"nosuid", "noexec", "nodev"}),
         mount_json("/dev", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
         mount_json("/dev/pts", "devpts",
                    {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
         mount_json("/dev/shm", "tmpfs", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
         mount_json("/dev/mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
         mount_json("/sys", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
         mount_json("/sys/fs/cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"})});
    Json namespaces = Json::array();
    for (const char* type : {"pid", "network", "ipc", "uts", "mount", "cgroup"})
        namespaces.push_back({{"type", type}});
    config["linux"] = {
        {"namespaces", namespaces},
        {"resources", {{"devices", Json::array({{{"allow", false}, {"access", "rwm"}}})}}},
        {"seccomp", default_seccomp(default_capabilities())},
        {"maskedPaths",
         {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
          "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
          "/sys/firmware", "/sys/devices/virtual/powercap"}},
        {"readonlyPaths",
         {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}}};
    return config;
}

Json linux_features() {
    return {
        {"namespaces", {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"}},
        {"capabilities", capability_names(all_capabilities())},
        {"cgroup",
         {{"v1", true}, {"v2", true}, {"systemd", true}, {"systemdUser", false}, {"rdma", true}}},
        {"seccomp",
         {{"enabled", true},
          {"actions",
           {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
            "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE",
            "SCMP_ACT_TRAP"}},
          {"operators",
           {"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT",
            "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"}},
          {"archs",
           {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_RISCV64", "SCMP_ARCH_X32",
            "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"}},
          {"knownFlags",
           {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
            "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}},
          {"supportedFlags",
           {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
            "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}}}},
        {"apparmor", {{"enabled", true}}},
        {"selinux", {{"enabled", true}}},
        {"intelRdt", {{"enabled", false}}},
        {"mountExtensions", {{"idmap", {{"enabled", true}}}}},
        {"memoryPolicy",
         {{"modes",
           {"MPOL_BIND", "MPOL_DEFAULT", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED",
            "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE"}},
          {"flags", {"MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"}}}},
        {"netDevices", {{"enabled", false}}}};
}

}  // namespace

Result<int> oci_features(const OciGlobals& /*globals*/, const OciWords& words) {
    TRY(OciArguments::parse(words, {}, false));
    const Json features = {{"ociVersionMin", kVersionMin},
                           {"ociVersionMax", kVersionMax},
                           {"hooks",
                            {"prestart", "createRuntime", "createContainer", "startContainer",
                             "poststart", "poststop"}},
                           {"mountOptions", known_mount_options()},
                           {"linux", linux_features()},
                           {"potentiallyUnsafeConfigAnnotations", {"io.davit."}}};
    print(features.dump(2) + "\n");
    return 0;
}

Result<int> oci_spec(const OciGlobals& /*globals*/, const OciWords& words) {
    const OciArguments arguments = TRY(OciArguments::parse(words, {{"bundle", 'b'}}, false));
    const std::string path = join_path(arguments.value("bundle", "."), "config.json");
    if (exists(path))
        return Error(ErrorKind::AlreadyExists, fmt::format("'{}' is there already", path))
            .help("remove it first");
    TRY(write_json(path, template_config(), Sync::No, 0644));
    return 0;
}

}  // namespace davit::runtime
