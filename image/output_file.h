#pragma once

#include "base/result.h"
#include "image/byte_sink.h"

#include <functional>
#include <string>
#include <sys/types.h>

namespace davit::image {

/// Takes the umask for davit's own: folders of containers and what lies in them are as open as they
/// are meant to be, whoever runs the command. Called once, at the beginning.
void take_umask();

/// What the user's umask leaves of the mode of a file that is the user's.
mode_t users_mode(mode_t mode);

/// Writes what `write` gives to the file `path`, or to standard output where that is empty or "-".
/// A regular file appears under its name only when it is whole: half an archive must not look like
/// one. What is there and isn't one (a pipe, /dev/null) is written to directly.
/// @errors InvalidInput where standard output is a terminal; `what` ("save") is named in errors
Result<void> write_out(const std::string& path, const char* what,
                       const std::function<Result<void>(ByteSink&)>& write);

}  // namespace davit::image
