#pragma once

#include "base/result.h"
#include "image/byte_sink.h"
#include "image/byte_source.h"
#include "stack/status.h"

#include <string>

/// `docker cp` with a tar stream on one side.
namespace davit::stack {

/// Writes what is at `path` of a running container as a tar: named by its last part, or, where the
/// path ends in "/.", by what is in it. Owners are those that the container sees.
/// @errors Unsupported where it doesn't run; NotFound
Result<void> copy_out_tar(const ContainerView& view, const std::string& path, bool follow_link,
                          image::ByteSink& sink);

/// Unpacks a tar, plain or compressed, into a folder of a running container. With `archive` the
/// owners are those of the tar, else the container's root. No entry leads out of the container.
/// @errors InvalidInput for a destination that is no folder, and for a tar that is none
Result<void> copy_in_tar(const ContainerView& view, const std::string& path, bool archive,
                         image::ByteSource& source);

}  // namespace davit::stack
