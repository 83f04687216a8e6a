#pragma once

#include "cli/container_rows.h"
#include "cli/row_format.h"
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

/// The columns of `docker images`. @source docker/cli cli/command/formatter/image.go
RowKind image_kind(const ImageRowOptions& options);

}  // namespace davit::cli
