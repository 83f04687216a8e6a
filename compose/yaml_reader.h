#pragma once

#include "base/diagnostic.h"
#include "compose/document.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace davit::compose {

/// How much a file may ask for. The first two stop alias bombs, the third deep recursion.
struct YamlLimits {
    std::size_t nodes = 300'000;          ///< After aliases are written out.
    std::size_t text_bytes = 16U << 20U;  ///< Likewise.
    std::size_t depth = 100;
};

/// The documents of a YAML file, usually one, as trees; empty ones are left out. What is wrong goes
/// to `diagnostics`; nothing comes back where the file can't be made sense of. After lesser errors
/// (a key that stands twice) the trees are whole enough to look for more.
std::optional<std::vector<Node>> read_yaml(const std::shared_ptr<const SourceFile>& file,
                                           Diagnostics& diagnostics, const YamlLimits& limits = {});

/// A SourceFile for `text`: without its byte order mark, so that columns count what a person sees.
std::shared_ptr<const SourceFile> make_source(std::string path, std::string text);

}  // namespace davit::compose
