#pragma once

#include "base/result.h"
#include "image/store.h"

#include <set>
#include <string>
#include <vector>

namespace davit::image {

/// Something in the store that is not as it should be.
struct Finding {
    std::string image = {};  ///< "nginx:1.27", or the beginning of an id.
    std::string what = {};   ///< "layer sha256:… : the unpacked files are not those of its blob"
    bool repaired = false;
    std::string cure = {};  ///< What the user can do where it was not repaired.
};

struct CheckResult {
    std::size_t images = 0;
    std::size_t layers = 0;
    std::vector<Finding> findings = {};
};

/// Reads everything: documents and blobs against their digests, and every unpacked layer against a
/// fresh unpacking of its blob, files, owners, modes, times and attributes. With `repair` a wrong
/// or missing layer is replaced by the fresh one, unless an image of `ids_in_use` has it, and a
/// wrong blob is taken away, so that the next pull brings it anew.
Result<CheckResult> check(const Store& store, bool repair, const std::set<std::string>& ids_in_use);

/// Bytes on disk of the images' layers and blobs, shared ones once.
struct StoreUsage {
    std::int64_t bytes = 0;
    std::int64_t reclaimable = 0;  ///< Of what no image of `ids_in_use` needs.
};
Result<StoreUsage> usage(const Store& store, const std::set<std::string>& ids_in_use);

}  // namespace davit::image
