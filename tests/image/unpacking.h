#pragma once

#include "base/file.h"
#include "base/sys.h"
#include "image/layer_unpack.h"
#include "tests/image/memory_source.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::testing {

/// Unpacks a tar archive into `folder`, which is made.
inline Result<image::Unpacked> unpack(const std::string& tar, const std::string& folder,
                                      const image::UnpackLimits& limits = {}) {
    REQUIRE(make_directories(folder, 0755).ok());
    const UniqueFd root = *sys::open(folder, O_RDONLY | O_DIRECTORY);
    MemorySource source(tar);
    return image::unpack_layer(source, root, limits);
}

/// What lies at `path` itself, links included.
inline struct stat look(const std::string& path) {
    struct stat info {};
    REQUIRE_MESSAGE(::lstat(path.c_str(), &info) == 0, path);
    return info;
}

}  // namespace davit::testing
