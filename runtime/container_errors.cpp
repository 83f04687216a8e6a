#include "base/file.h"
#include "runtime/container.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <iterator>
#include <string_view>

// What is said about a container that could not be made: before, where its configuration would
// change the host, and after, where its child has reported a failure.

namespace davit::runtime {
namespace {

/// "net.ipv4.ip_forward" as the path that the child opens beneath /proc. A slash in a name stands
/// for a dot: that of "eth0.1". @source sysctl(8)
std::string sysctl_path(std::string name) {
    for (char& c : name) c = c == '.' ? '/' : c == '/' ? '.' : c;
    return "sys/" + name;
}

/// Only what belongs to a namespace of the container may be set, or the host would change.
/// @source sysctl allow-list of Docker: net.*, ipc objects, fs.mqueue.*
Result<void> check_sysctl(const std::string& name, const SpecNamespaces& own) {
    constexpr const char* kIpc[] = {"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
                                    "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
                                    "kernel.shmmni", "kernel.shm_rmid_forced"};
    const bool ipc = name.starts_with("fs.mqueue.") ||
                     std::any_of(std::begin(kIpc), std::end(kIpc),
                                 [&](const char* known) { return name == known; });
    const bool allowed = (name.starts_with("net.") && own.network) || (ipc && own.ipc) ||
                         (name == "kernel.domainname" && own.uts) ||
                         (name.starts_with("user.") && own.user);
    const std::string path = sysctl_path(name);
    if (allowed && name.find_first_of(std::string_view(" \n+\0", 4)) == std::string::npos &&
        clean_path(path) == path)
        return {};
    return Error(ErrorKind::InvalidInput,
                 fmt::format("sysctl '{}' does not belong to a namespace of the container", name));
}

std::string sysctl_name(const Spec& spec, std::uint32_t index) {
    if (index >= spec.sysctl.size()) return "?";
    return std::next(spec.sysctl.begin(), static_cast<std::ptrdiff_t>(index))->first;
}

Error hook_failed(const ChildReport& report, const std::vector<SpecHook>& hooks, const char* kind) {
    const std::string path = report.index < hooks.size() ? hooks[report.index].path : "?";
    if (report.error_number == ETIMEDOUT)
        return Error(ErrorKind::TimedOut, fmt::format("{} hook '{}' takes too long", kind, path));
    if (report.detail == 0)
        return Error::from_errno(report.error_number, "clone3(2)")
            .doing("run {} hook '{}'", kind, path);
    return Error(ErrorKind::System, fmt::format("exit status {}", report.detail))
        .doing("run {} hook '{}'", kind, path);
}

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> container_sysctls(const Spec& spec) {
    std::vector<std::pair<std::string, std::string>> list;
    for (const auto& [name, value] : spec.sysctl) {
        TRY(check_sysctl(name, spec.namespaces));
        list.emplace_back(sysctl_path(name), value);
    }
    return list;
}

Error explain(const ChildReport& report, const Spec& spec) {
    const int number = report.error_number;
    const auto at = [&](const auto& list) -> std::string {
        return report.index < list.size() ? list[report.index] : std::string("?");
    };
    switch (report.stage) {
        case ChildStage::JoinCgroup:
            return Error::from_errno(number, "write(2)").doing("join the cgroups");
        case ChildStage::JoinNamespaces:
            return Error::from_errno(number, "setns(2)").doing("join the namespaces");
        case ChildStage::TimeNamespace:
            return Error::from_errno(number, "unshare(2)").doing("make the time namespace");
        case ChildStage::Label:
            if (!spec.apparmor_profile.empty() && number == ENOENT)
                return Error(ErrorKind::NotFound,
                             fmt::format("AppArmor knows no profile '{}'", spec.apparmor_profile))
                    .help("load it with apparmor_parser, or take it out of security_opt");
            return Error::from_errno(number, "write(2)")
                .doing("set the label of the program to '{}'",
                       spec.selinux_label.empty() ? spec.apparmor_profile : spec.selinux_label);
        case ChildStage::CloneInit:
            return Error::from_errno(number, "clone3(2)").doing("make the init process");
        case ChildStage::PrivateMounts:
            return Error::from_errno(number, "mount(2)").doing("make all mounts private");
        case ChildStage::AttachRoot:
            return Error::from_errno(number, "move_mount(2)").doing("attach the root file system");
        case ChildStage::Mount: {
            const bool known = report.index < spec.mounts.size();
            const SpecMount mount = known ? spec.mounts[report.index] : SpecMount();
            return Error::from_errno(number, "move_mount(2)")
                .doing("mount '{}' ({})", mount.destination, mount.type);
        }
        case ChildStage::Device:
            return Error::from_errno(number, "move_mount(2)").doing("make the devices in /dev");
        case ChildStage::DeviceLink:
            return Error::from_errno(number, "symlink(2)").doing("make the links in /dev");
        case ChildStage::Sysctl:
            return Error::from_errno(number, "write(2)")
                .doing("set sysctl '{}'", sysctl_name(spec, report.index));
        case ChildStage::ReadonlyPath:
            return Error::from_errno(number, "mount_setattr(2)")
                .doing("make '{}' read-only", at(spec.readonly_paths));
        case ChildStage::MaskedPath:
            return Error::from_errno(number, "move_mount(2)")
                .doing("mask '{}'", at(spec.masked_paths));
        case ChildStage::ReadonlyRoot:
            return Error::from_errno(number, "mount_setattr(2)").doing("make the root read-only");
        case ChildStage::PivotRoot:
            return Error::from_errno(number, "pivot_root(2)").doing("change the root");
        case ChildStage::Propagation:
            return Error::from_errno(number, "mount(2)").doing("set the root's propagation");
        case ChildStage::ContainerHook:
            return hook_failed(report, spec.hooks.create_container, "createContainer");
        case ChildStage::StartHook:
            return hook_failed(report, spec.hooks.start_container, "startContainer");
        case ChildStage::Hostname:
            return Error::from_errno(number, "sethostname(2)")
                .doing("set the host name '{}'", spec.hostname);
        case ChildStage::WorkingDirectory:
            return Error::from_errno(number, "chdir(2)")
                .doing("enter the working directory '{}'", spec.cwd);
        case ChildStage::Output:
            return Error::from_errno(number, "dup2(2)").doing("connect the output");
        case ChildStage::Terminal:
            return Error::from_errno(number, "open(2)").doing("open a terminal");
        case ChildStage::Capabilities:
            return Error::from_errno(number, "capset(2)").doing("set the capabilities");
        case ChildStage::User:
            return Error::from_errno(number, "setresuid(2)")
                .doing("become user {}:{}", spec.user.uid, spec.user.gid);
        case ChildStage::Scheduler:
            return Error::from_errno(number, "sched_setattr(2)")
                .doing("set scheduler, priority, CPUs or personality");
        case ChildStage::Seccomp:
            return Error::from_errno(number, "seccomp(2)").doing("load the seccomp filter");
        case ChildStage::Exec:
            return Error::from_errno(number, "execve(2)")
                .doing("execute '{}'", spec.args.front())
                .help(number == ENOENT ? "check that the image has this program, and its "
                                         "interpreter and libraries"
                                       : "check the program's mode and its architecture");
        case ChildStage::Keyring:
            return Error::from_errno(number, "keyctl(2)")
                .doing("make a session keyring")
                .help("see 'sysctl kernel.keys' for the limits of this machine");
        case ChildStage::Limits:
            return Error::from_errno(number, "prlimit(2)").doing("set the limits of the program");
        case ChildStage::Listener:
        case ChildStage::Prepared:
        case ChildStage::Created: break;
    }
    return Error(ErrorKind::Internal, "the child reports an unknown stage");
}

}  // namespace davit::runtime
