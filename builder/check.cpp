#include "builder/build.h"
#include "builder/graph.h"
#include "builder/ignore.h"
#include "builder/lint.h"
#include "image/store_files.h"

#include <fmt/format.h>

namespace davit::builder {

Result<void> check(const BuildRequest& request, Diagnostics& diagnostics) {
    const auto file = parse_dockerfile(request.dockerfile, diagnostics);
    if (request.ignore_file) (void)IgnoreFile::parse(request.ignore_file, diagnostics);
    if (file) {
        GraphInputs inputs;
        inputs.args = request.args;
        inputs.target = request.target;
        inputs.architecture = image::own_architecture();
        for (const auto& [name, place] : request.contexts) inputs.contexts.insert(name);
        (void)plan_build(*file, inputs, diagnostics);
        lint(*file, diagnostics);
    }
    if (diagnostics.ok()) return {};
    return Error(ErrorKind::InvalidInput,
                 fmt::format("'{}' can't be built", request.dockerfile->path));
}

}  // namespace davit::builder
