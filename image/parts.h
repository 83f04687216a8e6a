#pragma once

#include "base/result.h"

#include <chrono>
#include <cstdint>
#include <string>

/// What downloads that broke off have left: images/parts/<digest>, and a lock for each, which the
/// pull that gets it holds.
namespace davit::image {

std::string parts_folder(const std::string& data_root);
/// `key`: of the blob, see image/digests.h.
std::string part_file(const std::string& data_root, const std::string& key);
std::string part_lock(const std::string& data_root, const std::string& key);

/// Nobody goes on with a download after so long.
inline constexpr std::chrono::hours kPartsAreOld{24 * 7};

/// Removes the parts that nobody is getting and that nothing was added to for `age`. Returns the
/// bytes that this gives back.
Result<std::int64_t> sweep_parts(const std::string& data_root, std::chrono::seconds age);

}  // namespace davit::image
