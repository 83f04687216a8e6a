#pragma once

#include "base/result.h"
#include "stack/records.h"

#include <string>
#include <vector>

namespace davit::stack {

/// What came of having guards become another version of davit-runtime.
struct Reexecuted {
    int renewed = 0;
    int current = 0;                     ///< They were that version already.
    std::vector<std::string> left = {};  ///< "NAME: why it was left as it is".
};

/// Has the guards of all running containers of the data root become `program`. The containers
/// notice nothing.
Result<Reexecuted> reexec_guards(const Paths& paths, const std::string& program);

}  // namespace davit::stack
