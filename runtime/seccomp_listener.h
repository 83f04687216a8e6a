#pragma once

#include "base/json.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/child.h"
#include "runtime/spec.h"

#include <optional>
#include <sys/types.h>

/// A filter with SCMP_ACT_NOTIFY asks somebody outside what to do with a call. The kernel gives the
/// descriptor for that to the process that loads the filter; it goes on to the agent that listens
/// at `seccomp.listenerPath`, with the state of the container.
/// @source OCI runtime-spec config-linux.md "The Container Process State"; seccomp_unotify(2)
namespace davit::runtime {

/// Whether a rule of the filter asks somebody.
bool asks_listener(const Json& seccomp);

/// Who hears of a process whose filter asks: what is told beside its descriptor.
struct ListenerHandover {
    const Spec* spec = nullptr;
    pid_t pid = 0;    ///< Of the process that loads the filter.
    Json state = {};  ///< As `state` shows the container.
};

/// Reads what the child reports after the word to start, until it has executed its program, and
/// hands its listener over where it has one; `start` is the way to the child. Returns its report
/// where it has failed. @errors NotFound where nobody listens at the path
Result<std::optional<ChildReport>> hear_until_executed(const UniqueFd& report,
                                                       const UniqueFd& start,
                                                       const ListenerHandover& handover);

}  // namespace davit::runtime
