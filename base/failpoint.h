#pragma once

#include "base/result.h"

#include <vector>

/// Places where the tests put faults into a debug build; a release build (NDEBUG) has none of them.
/// Include it only where such a place is. Each place has a name of its own, "folder.step", and
/// stands right before the step that it may keep from happening.
///
/// DAVIT_FAILPOINTS="NAME=DEED[@N],…" says what happens there, in this process and in the guards
/// that it starts: `kill` (SIGKILL), `EIO` or `ENOSPC` (the step fails so), or `delay:MS`. With @N
/// only the N-th time that this process comes by. DAVIT_FAILPOINTS_TRACE=FILE has each name that is
/// passed appended to FILE, and again with a "!" before it where a fault strikes.
/// `scripts/failpoints.sh` lists all names.
namespace davit::failpoint {

#ifdef NDEBUG
inline int hit(const char* /*name*/) { return 0; }
inline Result<void> reach(const char* /*name*/) { return {}; }
inline std::vector<char*> inherited() { return {}; }
#define FAILPOINT(name) static_cast<void>(0)
#else
/// The errno that the step is to fail with, or 0; or doesn't return. Async-signal-safe once any
/// place was passed before, as every process has that comes to a clone(2).
int hit(const char* name);

/// As `hit`, for FAILPOINT. @errors System, naming the place
Result<void> reach(const char* name);

/// What of the environment a guard needs so that the faults reach it too.
std::vector<char*> inherited();
#define FAILPOINT(name) TRY(::davit::failpoint::reach(name))
#endif

}  // namespace davit::failpoint
