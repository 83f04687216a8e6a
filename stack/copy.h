#pragma once

#include "base/result.h"
#include "stack/status.h"

#include <string>

namespace davit::stack {

struct CopyRequest {
    std::string from = {};
    std::string to = {};
    bool archive = false;      ///< Keep owners, as the container sees them.
    bool follow_link = false;  ///< Copy what `from` leads to, where it is a link.
    bool exactly = false;      ///< `to` is what it is called there, also where that is a folder;
                               ///< folders above it are made.
    bool alone = false;        ///< With `exactly`: of a folder only itself, not what is in it.
};

/// Copies a file or folder out of a running container, mounts and all, as `docker cp` does: into
/// `to` where that is a folder, else as `to`; "x/." is what is in x. Paths inside are looked up
/// as if the container's root were the root, whatever links it has laid.
/// Set-user-id bits of files that become root's or the caller's, and device nodes, stay behind: a
/// container decides on what is in it.
/// @errors Unsupported where it doesn't run; NotFound
/// @source docker/cli docs/reference/commandline/cp.md
Result<void> copy_out(const ContainerView& view, const CopyRequest& request);

/// The same into it; what is made belongs to the container's root.
Result<void> copy_in(const ContainerView& view, const CopyRequest& request);

/// Takes a file or a folder with all that is in it out of a running container; what is not there
/// is fine.
Result<void> remove_in(const ContainerView& view, const std::string& path);

}  // namespace davit::stack
