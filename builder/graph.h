#pragma once

#include "base/diagnostic.h"
#include "builder/dockerfile.h"

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace davit::builder {

/// Where a stage, a COPY or a mount takes files from.
struct Origin {
    enum class Kind : std::uint8_t { Nothing, Stage, Context, Image };
    Kind kind = Kind::Nothing;  ///< Nothing: FROM scratch.
    std::size_t stage = 0;
    std::string name = {};  ///< Of an image or a named context.
};

struct StageNode {
    const Stage* stage = nullptr;
    std::string label = {};  ///< For logs: the stage's name, or "stage-2".
    Origin base = {};
    bool replaced = false;  ///< A named context took its place: none of its steps is carried out.
    std::set<std::size_t> needs = {};  ///< Stages that must be done first.
};

struct BuildGraph {
    std::vector<StageNode> stages = {};
    std::size_t target = 0;
    std::vector<std::size_t> order = {};  ///< What the target needs and itself, in file order.
    /// ARGs before the first FROM, and the platform's, with their values.
    std::map<std::string, std::string> globals = {};
};

struct GraphInputs {
    std::map<std::string, std::string> args = {};  ///< --build-arg
    std::set<std::string> contexts = {};           ///< Names of additional contexts.
    std::string target = {};                       ///< Empty: the last stage.
    std::string architecture = {};                 ///< "amd64"
};

/// The stages, what each begins with and needs, and those that the target needs. Pure. Mistakes go
/// to `diagnostics`; then the result is nothing.
std::optional<BuildGraph> plan_build(const Dockerfile& file, const GraphInputs& inputs,
                                     Diagnostics& diagnostics);

/// What `--from=NAME` means in a stage of the graph: the stage of that name, of several the last,
/// or its number; the context that has a stage's name takes its place. Else a context, else an
/// image.
/// @source BuildKit, dockerfile2llb: namedContext
Origin find_origin(const Dockerfile& file, const std::set<std::string>& contexts,
                   const std::string& name);

}  // namespace davit::builder
