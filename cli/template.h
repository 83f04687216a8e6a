#pragma once

#include "base/json.h"
#include "base/result.h"

#include <string>

namespace davit::cli {

/// Fills in the templates that people know from `docker inspect -f`, a small part of Go's:
///
///     {{.State.Pid}}   {{json .Mounts}}   {{index .Config.Labels "a.b"}}   {{.}}
///     {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}
///
/// Values look as Go prints them: map[a:1 b:2], [x y], true, <no value>.
/// @errors InvalidInput where the template asks for something else, or for a field that is not
/// there, with the nearest one
/// @source Go text/template
Result<std::string> fill_template(const std::string& text, const Json& value);

}  // namespace davit::cli
