#pragma once

#include "compose/loader.h"

#include <optional>
#include <string>
#include <vector>

namespace davit::compose {

struct ComposeFile {
    std::string path = {};   ///< Absolute; "-" for standard input.
    std::string shown = {};  ///< As remarks name it.
    bool regular = false;    ///< Named by another file: a FIFO would be waited for without end.
};

/// The files that make one project, the first one lowest.
struct ComposeFiles {
    std::vector<ComposeFile> files = {};
    std::string project_directory = {};  ///< Absolute.
};

/// The files that `options` mean: -f, else COMPOSE_FILE, else one found in the working folder or
/// above, with its override file. Nothing, and a remark, where there is none.
/// @source Compose spec 03-compose-file.md; compose-go cli/options.go
std::optional<ComposeFiles> locate_files(const LoadOptions& options, Diagnostics& diagnostics);

}  // namespace davit::compose
