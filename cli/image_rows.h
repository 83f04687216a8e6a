#pragma once

#include "cli/container_rows.h"
#include "image/store.h"

/// What `images` shows. Pure: the time is an argument.
namespace davit::cli {

struct ImageRowOptions {
    bool digests = false;
    bool no_trunc = false;
};

/// One row for each name of each image, with the keys of `docker images --format json`.
std::vector<Json> image_rows(const std::vector<image::Image>& images,
                             const ImageRowOptions& options, TimePoint now);

/// The table of `docker images`, header included.
std::string image_table(const std::vector<Json>& rows, const ImageRowOptions& options);

}  // namespace davit::cli
