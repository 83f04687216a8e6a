#pragma once

#include "base/result.h"
#include "runtime/spec_resources.h"

#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

/// A container's cgroup as a scope of systemd, which owns the hierarchy on most machines and is
/// asked for a part of it (--systemd-cgroup). systemd is spoken to with its own busctl(1).
/// @source systemd.resource-control(5), org.freedesktop.systemd1(5); runc docs/systemd.md
namespace davit::runtime {

struct SystemdScope {
    std::string slice = {};  ///< "machine.slice"
    std::string unit = {};   ///< "libpod-ID.scope"
    std::string path = {};   ///< Where it is: "/machine.slice/libpod-ID.scope"
};

/// Decodes a cgroupsPath of the form "slice:prefix:name"; an empty one is
/// "system.slice:davit:<id>". Pure. @errors InvalidInput
Result<SystemdScope> parse_systemd_path(const std::string& cgroups_path, const std::string& id);

/// The limits as properties of a unit, as busctl(1) takes them: {"MemoryMax", "t", "67108864", …}.
/// systemd writes them into the cgroup again whenever it is reloaded. Pure.
std::vector<std::string> scope_properties(const SpecResources& resources, bool v2);

/// Lives in the scope until the container does: systemd makes none without a process, and removes
/// one that is empty.
class ScopeHolder {
public:
    /// Asks systemd for the scope, and returns when it is there; `scope.path` is then what the
    /// kernel says. @errors NotFound where systemd doesn't run; TimedOut
    static Result<ScopeHolder> start(SystemdScope& scope, const SpecResources& resources, bool v2);
    ScopeHolder() = default;  ///< Holds nothing.
    ScopeHolder(ScopeHolder&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
    ScopeHolder& operator=(ScopeHolder&& other) noexcept {
        end();
        pid_ = std::exchange(other.pid_, 0);
        return *this;
    }
    ScopeHolder(const ScopeHolder&) = delete;
    ScopeHolder& operator=(const ScopeHolder&) = delete;
    ~ScopeHolder() { end(); }

    pid_t pid() const { return pid_; }
    /// The container lives there now.
    void end();

private:
    explicit ScopeHolder(pid_t pid) : pid_(pid) {}
    pid_t pid_ = 0;
};

/// Lets systemd forget the scope. One that is gone is fine.
void stop_scope(const std::string& unit);

}  // namespace davit::runtime
