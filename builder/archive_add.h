#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <string>

namespace davit::builder {

/// Whether `file` is a tar archive, plain or compressed with gzip or zstd: it is looked into.
Result<bool> is_archive(const UniqueFd& file);

/// Unpacks an archive that may be hostile into the folder `destination` of `root`.
Result<void> unpack_archive(UniqueFd file, const UniqueFd& root, const std::string& destination);

}  // namespace davit::builder
