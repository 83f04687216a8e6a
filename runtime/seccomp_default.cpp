#include "runtime/seccomp.h"

#include <cerrno>
#include <cstdint>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sys/socket.h>

// The default filter as tables. Every call has exactly one row, so that its fate can be read off.
// Three answers: allowed; EPERM for what a container has no business with; ENOSYS for numbers that
// are newer than these tables, on which the C library falls back to an older call.

namespace davit::runtime {
namespace {

/// Calls that are always allowed: they act on the caller's own namespaces, memory and files, where
/// the kernel's own checks suffice.
constexpr const char* kAllowed[] = {
    "accept",
    "accept4",
    "access",
    "adjtimex",
    "alarm",
    "arch_prctl",
    "bind",
    "brk",
    "cachestat",
    "capget",
    "capset",
    "chdir",
    "chmod",
    "chown",
    "clock_adjtime",
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "close",
    "close_range",
    "connect",
    "copy_file_range",
    "creat",
    "dup",
    "dup2",
    "dup3",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd",
    "eventfd2",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fallocate",
    "fanotify_mark",
    "fchdir",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "fchown",
    "fchownat",
    "fcntl",
    "fdatasync",
    "fgetxattr",
    "file_getattr",
    "file_setattr",
    "flistxattr",
    "flock",
    "fork",
    "fremovexattr",
    "fsetxattr",
    "fstat",
    "fstatfs",
    "fsync",
    "ftruncate",
    "futex",
    "futex_requeue",
    "futex_wait",
    "futex_waitv",
    "futex_wake",
    "futimesat",
    "get_robust_list",
    "get_thread_area",
    "getcpu",
    "getcwd",
    "getdents",
    "getdents64",
    "getegid",
    "geteuid",
    "getgid",
    "getgroups",
    "getitimer",
    "getpeername",
    "getpgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getpriority",
    "getrandom",
    "getresgid",
    "getresuid",
    "getrlimit",
    "getrusage",
    "getsid",
    "getsockname",
    "getsockopt",
    "gettid",
    "gettimeofday",
    "getuid",
    "getxattr",
    "getxattrat",
    "inotify_add_watch",
    "inotify_init",
    "inotify_init1",
    "inotify_rm_watch",
    "io_cancel",
    "io_destroy",
    "io_getevents",
    "io_pgetevents",
    "io_setup",
    "io_submit",
    "ioctl",
    "ioprio_get",
    "ioprio_set",
    "kill",
    "landlock_add_rule",
    "landlock_create_ruleset",
    "landlock_restrict_self",
    "lchown",
    "lgetxattr",
    "link",
    "linkat",
    "listen",
    "listxattr",
    "listxattrat",
    "llistxattr",
    "lremovexattr",
    "lseek",
    "lsetxattr",
    "lstat",
    "madvise",
    "map_shadow_stack",
    "membarrier",
    "memfd_create",
    "memfd_secret",
    "mincore",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "mlock",
    "mlock2",
    "mlockall",
    "mmap",
    "modify_ldt",
    "mprotect",
    "mq_getsetattr",
    "mq_notify",
    "mq_open",
    "mq_timedreceive",
    "mq_timedsend",
    "mq_unlink",
    "mremap",
    "mseal",
    "msgctl",
    "msgget",
    "msgrcv",
    "msgsnd",
    "msync",
    "munlock",
    "munlockall",
    "munmap",
    "name_to_handle_at",
    "nanosleep",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "pause",
    "pidfd_open",
    "pidfd_send_signal",
    "pipe",
    "pipe2",
    "pkey_alloc",
    "pkey_free",
    "pkey_mprotect",
    "poll",
    "ppoll",
    "prctl",
    "pread64",
    "preadv",
    "preadv2",
    "prlimit64",
    "process_mrelease",
    "process_vm_readv",
    "process_vm_writev",
    "pselect6",
    "ptrace",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readahead",
    "readlink",
    "readlinkat",
    "readv",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "remap_file_pages",
    "removexattr",
    "removexattrat",
    "rename",
    "renameat",
    "renameat2",
    "restart_syscall",
    "riscv_flush_icache",
    "rmdir",
    "rseq",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigqueueinfo",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "rt_tgsigqueueinfo",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_getaffinity",
    "sched_getattr",
    "sched_getparam",
    "sched_getscheduler",
    "sched_rr_get_interval",
    "sched_setaffinity",
    "sched_setattr",
    "sched_setparam",
    "sched_setscheduler",
    "sched_yield",
    "seccomp",
    "select",
    "semctl",
    "semget",
    "semop",
    "semtimedop",
    "sendfile",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "set_robust_list",
    "set_thread_area",
    "set_tid_address",
    "setfsgid",
    "setfsuid",
    "setgid",
    "setgroups",
    "setitimer",
    "setpgid",
    "setpriority",
    "setregid",
    "setresgid",
    "setresuid",
    "setreuid",
    "setrlimit",
    "setsid",
    "setsockopt",
    "setuid",
    "setxattr",
    "setxattrat",
    "shmat",
    "shmctl",
    "shmdt",
    "shmget",
    "shutdown",
    "sigaltstack",
    "signalfd",
    "signalfd4",
    "socketpair",
    "splice",
    "stat",
    "statfs",
    "statx",
    "symlink",
    "symlinkat",
    "sync",
    "sync_file_range",
    "syncfs",
    "sysinfo",
    "tee",
    "tgkill",
    "time",
    "timer_create",
    "timer_delete",
    "timer_getoverrun",
    "timer_gettime",
    "timer_settime",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_settime",
    "times",
    "tkill",
    "truncate",
    "umask",
    "uname",
    "unlink",
    "unlinkat",
    "utime",
    "utimensat",
    "utimes",
    "vfork",
    "vmsplice",
    "wait4",
    "waitid",
    "write",
    "writev",
};

/// Calls that no container may make: whole-machine switches, retired calls, and interfaces whose
/// record of kernel bugs outweighs their use (io_uring, userfaultfd, keyrings).
constexpr const char* kRefused[] = {
    "_sysctl",         "add_key",         "afs_syscall",    "create_module",
    "get_kernel_syms", "getpmsg",         "io_uring_enter", "io_uring_register",
    "io_uring_setup",  "kexec_file_load", "kexec_load",     "keyctl",
    "migrate_pages",   "move_pages",      "nfsservctl",     "pivot_root",
    "putpmsg",         "query_module",    "request_key",    "security",
    "swapoff",         "swapon",          "sysfs",          "tuxcall",
    "uselib",          "userfaultfd",     "ustat",          "vserver",
};

/// Calls that need a capability, and are refused before the kernel has to ask for it.
struct CapabilityRow {
    int capability;
    const char* call;
};
constexpr CapabilityRow kByCapability[] = {
    {CAP_DAC_READ_SEARCH, "open_by_handle_at"},
    {CAP_SYS_ADMIN, "mount"},
    {CAP_SYS_ADMIN, "umount2"},
    {CAP_SYS_ADMIN, "mount_setattr"},
    {CAP_SYS_ADMIN, "move_mount"},
    {CAP_SYS_ADMIN, "open_tree"},
    {CAP_SYS_ADMIN, "open_tree_attr"},
    {CAP_SYS_ADMIN, "fsopen"},
    {CAP_SYS_ADMIN, "fsconfig"},
    {CAP_SYS_ADMIN, "fsmount"},
    {CAP_SYS_ADMIN, "fspick"},
    {CAP_SYS_ADMIN, "setns"},
    {CAP_SYS_ADMIN, "unshare"},
    {CAP_SYS_ADMIN, "bpf"},
    {CAP_SYS_ADMIN, "perf_event_open"},
    {CAP_SYS_ADMIN, "fanotify_init"},
    {CAP_SYS_ADMIN, "lookup_dcookie"},
    {CAP_SYS_ADMIN, "quotactl"},
    {CAP_SYS_ADMIN, "quotactl_fd"},
    {CAP_SYS_ADMIN, "sethostname"},
    {CAP_SYS_ADMIN, "setdomainname"},
    {CAP_SYS_ADMIN, "syslog"},
    {CAP_SYS_ADMIN, "lsm_get_self_attr"},
    {CAP_SYS_ADMIN, "lsm_set_self_attr"},
    {CAP_SYS_ADMIN, "lsm_list_modules"},
    {CAP_SYS_ADMIN, "statmount"},
    {CAP_SYS_ADMIN, "listmount"},
    {CAP_SYS_BOOT, "reboot"},
    {CAP_SYS_CHROOT, "chroot"},
    {CAP_SYS_MODULE, "init_module"},
    {CAP_SYS_MODULE, "finit_module"},
    {CAP_SYS_MODULE, "delete_module"},
    {CAP_SYS_NICE, "get_mempolicy"},
    {CAP_SYS_NICE, "mbind"},
    {CAP_SYS_NICE, "set_mempolicy"},
    {CAP_SYS_NICE, "set_mempolicy_home_node"},
    {CAP_SYS_PACCT, "acct"},
    {CAP_SYS_PTRACE, "kcmp"},
    {CAP_SYS_PTRACE, "pidfd_getfd"},
    {CAP_SYS_PTRACE, "process_madvise"},
    {CAP_SYS_RAWIO, "iopl"},
    {CAP_SYS_RAWIO, "ioperm"},
    {CAP_SYS_TIME, "settimeofday"},
    {CAP_SYS_TIME, "clock_settime"},
    {CAP_SYS_TTY_CONFIG, "vhangup"},
};

Json names(const char* name) { return Json::array({name}); }

Json rule(Json calls, const char* action, int errno_value = 0) {
    Json made = {{"names", std::move(calls)}, {"action", action}};
    if (errno_value != 0) made["errnoRet"] = errno_value;
    return made;
}

Json allow(Json calls) { return rule(std::move(calls), "SCMP_ACT_ALLOW"); }
Json refuse(Json calls) { return rule(std::move(calls), "SCMP_ACT_ERRNO", EPERM); }

/// `made`, for calls whose argument `index` compares as given.
Json where(Json made, unsigned index, const char* op, std::uint64_t value,
           std::uint64_t value_two = 0) {
    Json argument = {{"index", index}, {"value", value}, {"op", op}};
    if (value_two != 0) argument["valueTwo"] = value_two;
    made["args"] = Json::array({std::move(argument)});
    return made;
}

Json allow_where(const char* call, unsigned index, const char* op, std::uint64_t value) {
    return where(allow(names(call)), index, op, value);
}
Json refuse_where(const char* call, unsigned index, const char* op, std::uint64_t value) {
    return where(refuse(names(call)), index, op, value);
}

bool has(std::uint64_t capabilities, int capability) {
    return ((capabilities >> static_cast<unsigned>(capability)) & 1U) != 0;
}

/// Threads and processes may be made, namespaces only with CAP_SYS_ADMIN.
void add_clone(Json& rules, std::uint64_t capabilities) {
    if (has(capabilities, CAP_SYS_ADMIN)) {
        rules.push_back(allow(Json::array({"clone", "clone3"})));
        return;
    }
    constexpr std::uint64_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC |
                                             CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |
                                             CLONE_NEWCGROUP;
    rules.push_back(where(allow(names("clone")), 0, "SCMP_CMP_MASKED_EQ", kNewNamespaces, 0));
    for (std::uint64_t flag = 1; flag <= kNewNamespaces; flag <<= 1U) {
        if ((flag & kNewNamespaces) != 0)
            rules.push_back(where(refuse(names("clone")), 0, "SCMP_CMP_MASKED_EQ", flag, flag));
    }
    // The flags of clone3 stand in memory, where a filter can't look: "not there" sends the C
    // library to clone.
    rules.push_back(rule(names("clone3"), "SCMP_ACT_ERRNO", ENOSYS));
}

}  // namespace

Json default_seccomp(std::uint64_t capabilities) {
    Json rules = Json::array();
    Json allowed = Json::array();
    for (const char* call : kAllowed) allowed.push_back(call);
    Json refused = Json::array();
    for (const char* call : kRefused) refused.push_back(call);
    for (const CapabilityRow& row : kByCapability)
        (has(capabilities, row.capability) ? allowed : refused).push_back(row.call);
    rules.push_back(allow(std::move(allowed)));
    rules.push_back(refuse(std::move(refused)));
    add_clone(rules, capabilities);

    // Execution domains: Linux, and what setarch(8) asks for. 0xffffffff only reads.
    for (const std::uint64_t domain : {0x0ULL, 0x8ULL, 0x20000ULL, 0x20008ULL, 0xffffffffULL})
        rules.push_back(allow_where("personality", 0, "SCMP_CMP_EQ", domain));

    // All address families but AF_ALG (38) and AF_VSOCK (40). Three rules, since two tests of one
    // argument in one rule must both hold.
    for (const int family : {AF_ALG, AF_VSOCK})
        rules.push_back(
            refuse_where("socket", 0, "SCMP_CMP_EQ", static_cast<std::uint64_t>(family)));
    rules.push_back(allow_where("socket", 0, "SCMP_CMP_LT", AF_ALG));
    rules.push_back(allow_where("socket", 0, "SCMP_CMP_EQ", AF_ALG + 1));
    rules.push_back(allow_where("socket", 0, "SCMP_CMP_GT", AF_VSOCK));

    return {{"defaultAction", "SCMP_ACT_ERRNO"},
            {"defaultErrnoRet", ENOSYS},
            {"syscalls", std::move(rules)}};
}

}  // namespace davit::runtime
