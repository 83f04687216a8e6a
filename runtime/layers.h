#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <string>
#include <vector>

namespace davit::runtime {

struct LayersCall {
    std::vector<std::string> folders = {};  ///< Of unpacked layers, top first.
    /// The folder with upper/ and work/, which belongs to the container's id range and is not
    /// idmapped; empty: nothing can be written.
    std::string writable = {};
    std::string subpath = {};  ///< What of it is mounted; looked up inside. Empty: all.
};

/// The file system that layers make together, as a detached mount with the ids of `user_namespace`.
/// @errors Unsupported where a layer can't be idmapped; NotFound for a subpath that isn't there
Result<UniqueFd> mount_layers(const LayersCall& call, const UniqueFd& user_namespace);

}  // namespace davit::runtime
