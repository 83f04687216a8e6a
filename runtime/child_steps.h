#pragma once

#include "runtime/child.h"

#include <cstddef>
#include <sys/types.h>
#include <vector>

/// Steps between clone and execve. Only async-signal-safe calls; each ends the process where it
/// fails.
namespace davit::runtime {

/// Tells the parent the stage and errno, and ends.
[[noreturn]] void fail(const ChildPlan& plan, ChildStage stage, std::size_t index = 0,
                       int detail = 0);

/// Says how far it is, and waits for the word to go on.
void wait_at(const ChildPlan& plan, ChildStage stage, int detail = 0);

// --- child_mounts.cpp ---

/// Makes the file systems that the joiner has to mount. @source MountedBy::Joiner
void mount_early(ChildPlan& plan);
/// Makes the files that are the container's own copies. @source MountedBy::Copy
void make_copies(ChildPlan& plan);
void attach_mounts(const ChildPlan& plan, int root);
void make_devices(const ChildPlan& plan, int root);
void write_sysctls(const ChildPlan& plan, int root);
void make_paths_readonly(const ChildPlan& plan, int root);
/// Files get the null device laid over them, folders an empty read-only file system.
void mask_paths(const ChildPlan& plan, int root);
void make_root_readonly(const ChildPlan& plan, int root);
/// The container's root becomes "/", and the host's mounts are gone from this mount namespace.
void pivot(const ChildPlan& plan, int root);

// --- child_terminal.cpp ---

/// A terminal out of the devpts of `root`, whose other end is sent away. Returns our end.
int open_terminal(const ChildPlan& plan, int root);
/// Lays the terminal over /dev/console.
void bind_console(const ChildPlan& plan, int root, int terminal);
/// Makes it the controlling terminal and the standard streams, and closes it.
void use_terminal(const ChildPlan& plan, int terminal);

// --- child_hooks.cpp ---

/// Runs hooks one after the other, each with the container's state on its standard input.
void run_hooks(const ChildPlan& plan, const std::vector<ChildHook>& hooks, ChildStage stage);

// --- child_user.cpp ---

/// Opens the file that takes the program's label, while the host's /proc is in sight. -1: none.
int open_label(const ChildPlan& plan);
/// A session keyring of its own, so that the program has no part in the caller's. keyrings(7)
void join_keyring(const ChildPlan& plan);
/// Enters the working folder, inside of the root. `make`: one that is missing is made, as Docker
/// has it where a container starts.
void enter_working_directory(const ChildPlan& plan, bool make);
/// setgroups(2), setresgid(2) and setresuid(2), of the kernel alone. Those of the C library change
/// all threads of the process: they wait, for ever, for one that was being made when its memory was
/// cloned. False with errno. @source nptl(7), "NPTL and process credential changes"
bool set_ids(const std::vector<gid_t>& groups, uid_t uid, gid_t gid);
/// Signals as a program expects them: the guard blocks some and ignores SIGPIPE, and both would
/// survive execve(2).
void reset_signals();
/// Becomes the user, with its capabilities and the filter.
void become_user(const ChildPlan& plan);
/// Becomes the user, with its capabilities and the filter, and executes the program.
[[noreturn]] void execute(const ChildPlan& plan, int label_fd);

}  // namespace davit::runtime
