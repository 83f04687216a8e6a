#include "runtime/child_paths.h"
#include "runtime/child_steps.h"
#include "runtime/exec_terminal.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

// The terminal of a program, between clone and execve: only async-signal-safe calls. Nothing in the
// container is trusted: what is opened must be the device that it seems to be, and nothing is
// opened twice by its name. CVE-2025-52565

namespace davit::runtime {
namespace {

bool is_master(int fd) {
    struct stat info {};
    struct statfs system {};
    return ::fstat(fd, &info) == 0 && ::fstatfs(fd, &system) == 0 && S_ISCHR(info.st_mode) &&
           info.st_rdev == makedev(5, 2) && system.f_type == DEVPTS_SUPER_MAGIC;
}

}  // namespace

int open_terminal(const ChildPlan& plan, int root) {
    const int master = open_in_root(root, "dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW);
    int locked = 0;
    if (master == -1 || !is_master(master) || ::ioctl(master, TIOCSPTLCK, &locked) == -1) {
        if (master != -1) errno = ENXIO;
        fail(plan, ChildStage::Terminal);
    }
    const int terminal = ::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    winsize size{};
    size.ws_row = static_cast<unsigned short>(plan.spec->console_rows);
    size.ws_col = static_cast<unsigned short>(plan.spec->console_columns);
    const bool sized = size.ws_row != 0 || size.ws_col != 0;
    if (terminal == -1 || (sized && ::ioctl(terminal, TIOCSWINSZ, &size) == -1) ||
        ::fchown(terminal, plan.spec->user.uid, static_cast<gid_t>(-1)) == -1 ||
        !send_with_descriptor(plan.terminal_socket, "t", master))
        fail(plan, ChildStage::Terminal);
    ::close(master);
    return terminal;
}

void bind_console(const ChildPlan& plan, int root, int terminal) {
    const int cover = ::open_tree(
        terminal, "", static_cast<unsigned>(AT_EMPTY_PATH) | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (cover == -1 || !attach_at(cover, root, "dev/console", TargetKind::File))
        fail(plan, ChildStage::Terminal);
    ::close(cover);
}

void use_terminal(const ChildPlan& plan, int terminal) {
    if (::ioctl(terminal, TIOCSCTTY, 0) == -1) fail(plan, ChildStage::Terminal);
    for (int fd = 0; fd < 3; ++fd)
        if (::dup2(terminal, fd) == -1) fail(plan, ChildStage::Terminal);
    ::close(terminal);
}

}  // namespace davit::runtime
