#pragma once

#include "base/result.h"
#include "image/byte_sink.h"
#include "stack/operations.h"

#include <string>
#include <vector>

/// What a container has made of its image: as a new image, or as one archive.
namespace davit::stack {

struct CommitOptions {
    std::string author = {};
    std::string message = {};
    std::vector<std::string> changes = {};  ///< Dockerfile instructions: "CMD [\"nginx\"]".
    std::string name = {};                  ///< Of the new image; empty: none.
    bool pause = true;                      ///< Its processes stand still meanwhile.
};

/// Makes an image of the container's changes on top of its image, with the container's own words
/// (command, environment, labels, …) as its configuration. What volumes and bind mounts show isn't
/// part of it. Returns the image's id.
/// @errors NotFound where its image is gone; InvalidInput naming the instruction
/// @source docker commit
Result<std::string> commit(const Environment& environment, const ContainerView& container,
                           const CommitOptions& options);

/// Writes the container's whole file system as a tar, without what is mounted in it. The container
/// may run: what changes meanwhile is written as it was found. @source docker export
Result<void> export_root(const Environment& environment, const ContainerView& container,
                         image::ByteSink& sink);

}  // namespace davit::stack
