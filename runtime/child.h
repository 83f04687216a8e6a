#pragma once

#include "runtime/namespaces.h"
#include "runtime/rootfs.h"
#include "runtime/seccomp.h"
#include "runtime/spec.h"

#include <cstdint>
#include <string>
#include <vector>

namespace davit::runtime {

/// Everything the child does before execve(2), in this order.
enum class ChildStage : std::uint8_t {
    JoinCgroup,
    TimeNamespace,
    JoinNamespaces,
    CloneInit,
    Label,
    PrivateMounts,
    AttachRoot,
    Mount,   ///< index: into Spec::mounts
    Device,  ///< index: into PreparedRoot::devices
    DeviceLink,
    Terminal,
    Sysctl,        ///< index: into ChildPlan::sysctls
    ReadonlyPath,  ///< index: into Spec::readonly_paths
    MaskedPath,    ///< index: into Spec::masked_paths
    ReadonlyRoot,
    Prepared,       ///< No failure: the child waits for the word to go on, for hooks.
    ContainerHook,  ///< index: into SpecHooks::create_container; detail: its exit status
    PivotRoot,
    Propagation,
    Hostname,
    WorkingDirectory,
    Created,    ///< No failure: the child waits for the word to start.
    StartHook,  ///< index: into SpecHooks::start_container; detail: its exit status
    Output,
    Capabilities,
    User,
    Scheduler,
    Seccomp,
    Listener,  ///< No failure: the child waits until its listener, `detail`, is taken.
    Keyring,
    Limits,
    Exec,
};

/// What the child tells the guard. Fits one atomic pipe write. After Created, a closed pipe without
/// another report means that execve(2) has succeeded.
struct ChildReport {
    ChildStage stage = ChildStage::JoinCgroup;
    int error_number = 0;
    std::uint32_t index = 0;
    int detail = 0;
};

/// A hook as execve(2) takes it.
struct ChildHook {
    const char* path = nullptr;
    std::vector<char*> argv = {};
    std::vector<char*> environment = {};
    int timeout_ms = -1;
};

/// What the child needs, all of it made before it exists: between clone and execve it allocates
/// nothing, locks nothing and logs nothing. It reads the guard's memory as it was at the clone.
struct ChildPlan {
    const Spec* spec = nullptr;
    const HeldNamespaces* held = nullptr;
    const PreparedRoot* root = nullptr;
    const std::vector<UniqueFd>* cgroup_tasks = nullptr;
    const SeccompProgram* seccomp = nullptr;                        ///< Empty: no filter.
    unsigned seccomp_flags = 0;                                     ///< SECCOMP_FILTER_FLAG_…
    std::vector<std::pair<std::string, std::string>> sysctls = {};  ///< "sys/a/b", value
    std::vector<std::string> programs = {};  ///< argv[0] as found along PATH, in order.
    std::vector<char*> argv = {};            ///< Ends with a null pointer, as `environment` does.
    std::vector<char*> environment = {};
    std::string time_offsets = {};  ///< As timens_offsets takes them.
    std::string label_file = {};    ///< Beneath /proc: where the label of the program goes.
    std::string label = {};
    std::vector<ChildHook> container_hooks = {};  ///< createContainer
    std::vector<ChildHook> start_hooks = {};      ///< startContainer
    bool wait_before_pivot = false;               ///< Somebody has hooks to run then.
    int state_fd = -1;                            ///< The container's state, for hooks.
    int init_pid_fd = -1;                         ///< Pipe: the joiner writes the init's pid.
    int report_fd = -1;                           ///< Pipe: ChildReport.
    int start_fd = -1;  ///< Pipe: one byte is the word to go on, its end means the guard died.
    int stdin_fd = -1;
    int stdout_fd = -1;
    int stderr_fd = -1;
    int last_capability = 40;
    std::uint64_t available_capabilities = ~std::uint64_t{0};
    unsigned preserved_fds = 0;     ///< How many from 3 on the program gets.
    int terminal_socket = -1;       ///< Where the terminal's other end is sent; -1: no terminal.
    std::vector<int> early_mounts;  ///< A place for each mount that is made before the others.

    // For a program that joins a running container.
    int target_pidfd = -1;                 ///< Of its init process.
    std::uint64_t join_flags = 0;          ///< CLONE_NEW…: the namespaces it has of its own.
    bool detach = false;                   ///< The program is to outlive its parent outside.
    std::vector<unsigned long> cpus = {};  ///< CPUs as sched_setaffinity(2) takes them.
    std::vector<unsigned long> cpus_before = {};  ///< Those until it has joined the cgroups.
    std::string oom_score = {};  ///< As oom_score_adj takes it; empty: the caller's.
};

/// The first child: joins cgroups and held namespaces, clones the init process with the remaining
/// namespaces as a child of the guard, tells its pid, and ends.
[[noreturn]] void run_joiner(ChildPlan& plan);

/// As run_joiner, for a further program in a container that runs: joins its cgroups and namespaces,
/// clones the program as a child of the caller, tells its pid, and ends.
[[noreturn]] void run_exec_joiner(const ChildPlan& plan);

}  // namespace davit::runtime
