#pragma once

#include "base/result.h"

#include <cstddef>
#include <functional>

namespace davit {

/// Calls `work` with each number below `count`, each once, on as many threads as there are
/// processors, but with no fewer than `least` numbers for each; the caller is one of them, and does
/// it alone where no thread is to be had. All have ended when it returns. After a failure no more
/// is begun; of several the one with the smallest number is returned.
Result<void> in_parallel(std::size_t count, std::size_t least,
                         const std::function<Result<void>(std::size_t)>& work);

}  // namespace davit
