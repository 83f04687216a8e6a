#pragma once

#include "base/result.h"
#include "image/store_files.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace davit::builder {

/// Where the result of a build goes. @source docker build --output
struct Output {
    enum class Kind : std::uint8_t {
        Store,   ///< An image of the store: what a build does that isn't told otherwise.
        Docker,  ///< An archive, as `save` writes it.
        Oci,     ///< An archive with nothing but an OCI layout.
        Local,   ///< The files, into a folder.
        Tar,     ///< The files, as one tar.
    };
    Kind kind = Kind::Store;
    std::string dest = {};                ///< Absolute path; "-": standard output.
    std::vector<std::string> names = {};  ///< Further names for the image.

    bool operator==(const Output&) const = default;
};

/// Reads `--output`: "type=oci,dest=FILE", or a folder alone, or "-". Paths are relative to
/// `working_dir`. @errors InvalidInput, with the nearest word
Result<Output> parse_output(const std::string& text, const std::string& working_dir);

/// Whether the image is to be put into the store.
bool wants_store(const std::vector<Output>& outputs);

/// Writes `image`, whose layers are in the store, to where `output` says. `scratch`: a folder for
/// mounts. A file appears when it is whole; a folder gets what it hasn't, and keeps what is there.
Result<void> write_output(const Output& output, const std::string& data_root,
                          const image::StagedImage& image,
                          std::optional<std::int64_t> source_date_epoch,
                          const std::string& scratch);

}  // namespace davit::builder
