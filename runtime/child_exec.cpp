#include "runtime/child.h"
#include "runtime/child_steps.h"
#include "runtime/clone.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

// A further program in a running container. Runs between clone and execve, as child.cpp does: only
// async-signal-safe calls. Read run_exec_joiner at the end first.
namespace davit::runtime {
namespace {

/// Sends a descriptor. @source unix(7), SCM_RIGHTS
bool send_descriptor(int socket, int fd) {
    char byte = 't';
    iovec part{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return ::sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

/// A new terminal out of the container's own devpts becomes the standard streams. Nothing in the
/// container is trusted: what is opened must be the device that it seems to be.
void open_terminal(const ChildPlan& plan) {
    const int master = ::open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
    struct stat info {};
    int locked = 0;
    if (master == -1 || ::fstat(master, &info) == -1 || !S_ISCHR(info.st_mode) ||
        info.st_rdev != makedev(5, 2) || ::ioctl(master, TIOCSPTLCK, &locked) == -1)
        fail(plan, ChildStage::Terminal);
    const int slave = ::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    if (slave == -1 || ::fchown(slave, plan.spec->user.uid, static_cast<gid_t>(-1)) == -1 ||
        ::ioctl(slave, TIOCSCTTY, 0) == -1 || !send_descriptor(plan.terminal_socket, master))
        fail(plan, ChildStage::Terminal);
    for (int fd = 0; fd < 3; ++fd)
        if (::dup2(slave, fd) == -1) fail(plan, ChildStage::Terminal);
    ::close(slave);
    ::close(master);
}

/// Puts the program below the container's own process 1. Below a parent outside, which will be
/// gone, it would end up with the host's process 1; and where that one doesn't collect it, the
/// container could never end: a pid namespace waits until all in it are collected.
/// pid_namespaces(7)
void leave_parent(const ChildPlan& plan) {
    const pid_t program = clone_process({.exit_signal = SIGCHLD});
    if (program == -1) fail(plan, ChildStage::CloneInit);
    if (program != 0) ::_exit(0);
}

[[noreturn]] void run_exec_program(const ChildPlan& plan) {
    if (plan.detach) leave_parent(plan);
    if (::setsid() == -1) fail(plan, ChildStage::Output);
    if (plan.terminal_socket != -1)
        open_terminal(plan);
    else if (::dup2(plan.stdin_fd, 0) == -1 || ::dup2(plan.stdout_fd, 1) == -1 ||
             ::dup2(plan.stderr_fd, 2) == -1)
        fail(plan, ChildStage::Output);
    enter_working_directory(plan);
    execute(plan);
}

}  // namespace

void run_exec_joiner(const ChildPlan& plan) {
    for (const UniqueFd& tasks : *plan.cgroup_tasks) {
        if (::write(tasks.get(), "0", 1) != 1) fail(plan, ChildStage::JoinCgroup);
    }
    // Nobody in there may look into this process while it still is of the host. CVE-2016-9962
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1 ||
        ::setns(plan.target_pidfd, static_cast<int>(plan.join_flags)) == -1)
        fail(plan, ChildStage::JoinNamespaces);
    if ((plan.join_flags & CLONE_NEWUSER) != 0 &&
        (::setgroups(0, nullptr) == -1 || ::setresgid(0, 0, 0) == -1 || ::setresuid(0, 0, 0) == -1))
        fail(plan, ChildStage::JoinNamespaces);
    const pid_t program = clone_process({.flags = CLONE_PARENT});
    if (program == -1) fail(plan, ChildStage::CloneInit);
    if (program == 0) run_exec_program(plan);
    if (::write(plan.init_pid_fd, &program, sizeof program) != sizeof program) ::_exit(127);
    ::_exit(0);
}

}  // namespace davit::runtime
