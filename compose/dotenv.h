#pragma once

#include "base/diagnostic.h"
#include "compose/interpolate.h"

#include <memory>

namespace davit::compose {

/// Adds the variables of a file in dotenv syntax to `variables`; later ones replace earlier ones.
/// Values that are not in single quotes are interpolated: from `outer` first, then from
/// `variables`.
///
///     # a comment
///     NAME=plain text  # a comment     NAME="with \n escapes and ${VARIABLES}"
///     export NAME='as it stands'       NAME          (taken over from `outer`, where it is set)
///
/// @source Compose spec 05-services.md "Env_file format"; compose-go dotenv
void parse_dotenv(const std::shared_ptr<const SourceFile>& file, const Lookup& outer,
                  Variables& variables, Diagnostics& diagnostics);

}  // namespace davit::compose
