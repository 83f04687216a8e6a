#pragma once

#include "runtime/cgroup.h"
#include "runtime/child.h"
#include "runtime/namespaces.h"
#include "runtime/spec.h"

#include <string>
#include <sys/types.h>

namespace davit::runtime {

/// How a run ended.
struct ExitStatus {
    int code = 0;  ///< Exit status, or 128 + signal.
    bool oom_killed = false;
};

/// The descriptors that become the program's standard streams.
struct Streams {
    int in = -1;
    int out = -1;
    int err = -1;
    /// Where the other end of the terminal is sent (SCM_RIGHTS), with `process.terminal`; -1: none.
    int terminal_socket = -1;
    unsigned preserved = 0;   ///< How many descriptors from 3 on the program inherits.
    pid_t cgroup_holder = 0;  ///< A process that may live in the cgroup before; 0: none.
};

/// The two ways between the init process and who starts it. Pipes, unless `create` gets others:
/// FIFOs, where another process is to start it.
struct Channels {
    UniqueFd child_report = {};
    UniqueFd child_start = {};
    UniqueFd report = {};  ///< Read end.
    UniqueFd start = {};   ///< Write end.

    static Result<Channels> pipes();
};

/// What a child's report means, as if it had happened here.
Error explain(const ChildReport& report, const Spec& spec);

/// Checks the sysctls of `spec`, and returns them as the child writes them: {"sys/net/…", value}.
/// @errors InvalidInput for one that would change the host
Result<std::vector<std::pair<std::string, std::string>>> container_sysctls(const Spec& spec);

/// One container on this kernel, as its parent sees it. Its held namespaces live as long as this
/// object; the init process and the cgroups come and go with each run.
class Container {
public:
    /// Makes the held namespaces and compiles the filter. Starts nothing.
    static Result<Container> open(Spec spec, const std::string& cache_dir);

    /// Takes over a run that another process has begun, whose init process is `pid`; `started` is
    /// its start time, see sys::start_time. @errors NotFound where it has ended
    static Result<Container> adopt(Spec spec, const std::string& cache_dir, pid_t pid,
                                   unsigned long long started);

    Container(Container&&) = default;
    Container& operator=(Container&&) = default;
    Container(const Container&) = delete;
    Container& operator=(const Container&) = delete;
    ~Container() = default;

    /// Makes cgroups, root file system and init process, which has everything done and waits.
    /// On failure nothing is left. @errors what the child reports, as if it had happened here
    Result<void> create(const Streams& streams) { return create(streams, {}); }
    /// As above, with channels of the caller's; closed ones: pipes.
    Result<void> create(const Streams& streams, Channels channels);

    /// Lets the waiting init process execute the program; returns when execve(2) has succeeded.
    /// On failure the init process has ended and is to be collected with `reap`.
    /// @errors NotFound, PermissionDenied, naming the program
    Result<void> start();

    /// Sends `signal` to the init process.
    Result<void> signal(int number) const;
    /// Ends every process of the container.
    Result<void> kill_all() const;

    /// Ends and collects an init process that never ran its program, and removes the cgroups.
    void discard();

    /// Collects the ended init process and removes the cgroups. Call when `pidfd` reports its end.
    Result<ExitStatus> reap();

    /// The pid namespace that the next run joins: whose it was may have been made anew.
    void join_pid_namespace(UniqueFd space) { held_.pid = std::move(space); }

    pid_t pid() const { return pid_; }
    /// Readable when the init process has ended; closed where none exists.
    const UniqueFd& pidfd() const { return pidfd_; }
    const Spec& spec() const { return spec_; }
    const Cgroup& cgroup() const { return cgroup_; }
    /// The network namespace that outlives the runs; closed where the container has the host's.
    const UniqueFd& network() const { return held_.network; }

private:
    explicit Container(Spec spec) : spec_(std::move(spec)) {}
    static Result<Container> prepared(Spec spec, const std::string& cache_dir);
    Result<void> clone_init(const Streams& streams, Channels& channels);
    ChildPlan plan_of(const Streams& streams, const Channels& channels) const;
    Result<void> await(ChildStage stage);
    Result<void> run_creation_hooks();
    Result<void> tell_state(const char* status) const;
    Result<void> set_limits() const;
    void discard_init();

    Spec spec_;
    HeldNamespaces held_;
    SeccompProgram seccomp_;
    Cgroup cgroup_ = Cgroup::at("/davit");
    pid_t pid_ = 0;
    UniqueFd pidfd_;
    UniqueFd report_;  ///< Read end.
    UniqueFd start_;   ///< Write end.
    UniqueFd state_;   ///< What hooks inside are told.
    std::vector<std::pair<std::string, std::string>> sysctls_;
    std::vector<std::string> programs_;
};

}  // namespace davit::runtime
