#pragma once

#include <cstdint>

/// Looking up and making paths inside a container's root, between clone and execve: only
/// async-signal-safe calls.
namespace davit::runtime {

/// openat2(2) as if `root` were the root directory. -1 with errno.
int open_in_root(int root, const char* path, std::uint64_t flags);

enum class TargetKind { Folder, File };

/// O_PATH descriptor of `path` inside the root, which is made where it is missing. Symbolic links
/// of the image are followed as the container would follow them, never out of the root; what a link
/// leads to is made too (/etc/resolv.conf often points into /run, which no image has).
int open_target(int root, const char* path, TargetKind kind, int links = 0);

/// Attaches a detached mount to an O_PATH descriptor.
bool attach(int mount, int target);
/// Attaches it at a path inside the root.
bool attach_at(int mount, int root, const char* path, TargetKind kind);

}  // namespace davit::runtime
