#pragma once

#include "base/file.h"
#include "base/result.h"
#include "network/address.h"
#include "stack/records.h"
#include "stack/rules.h"

#include <cstdint>
#include <string>

/// What the RUNs of all builds on this host share, and what each of them holds:
///
///     RUN ROOT/.build/.project.json, .networks/build.json   the bridge, while a build runs
///     RUN ROOT/.build/<id>/claims.json                      a RUN's id range
///     RUN ROOT/.build/<id>/address                          and its address on the bridge
///     RUN ROOT/.build/<id>/lease                            locked while its davit lives
namespace davit::stack {

/// As a project's name; no project can have it.
inline constexpr const char* kBuildProject = ".build";

/// A RUN's place on this host. It goes with this object.
class BuildPlace {
public:
    BuildPlace(BuildPlace&&) noexcept = default;
    BuildPlace& operator=(BuildPlace&&) = delete;
    BuildPlace(const BuildPlace&) = delete;
    BuildPlace& operator=(const BuildPlace&) = delete;
    ~BuildPlace();

    std::string id = {};  ///< 64 hex digits.
    std::string run_dir = {};
    std::uint32_t uid_base = 0;
    network::Cidr address = {};  ///< With the prefix; all zero without a network.
    network::Ip gateway = {};
    std::string bridge = {};

private:
    friend class BuildNetwork;
    BuildPlace(FileLock lease, Paths paths) : lease_(std::move(lease)), paths_(std::move(paths)) {}
    FileLock lease_;
    Paths paths_;
};

/// Gives out places, with a bridge that has a way out. Ends what killed davits left behind.
class BuildNetwork {
public:
    explicit BuildNetwork(Paths paths) : paths_(std::move(paths)), rules_(paths_) {}
    BuildNetwork(const BuildNetwork&) = delete;
    BuildNetwork& operator=(const BuildNetwork&) = delete;
    /// Takes the bridge away, unless another build uses it.
    ~BuildNetwork();

    /// A place for one RUN; `own_users`: with an id range, `connected`: with an address.
    Result<BuildPlace> admit(bool own_users, bool connected);

    /// Connects the network namespace to the bridge.
    static Result<void> connect(const BuildPlace& place, const UniqueFd& netns);

private:
    Result<void> ensure_bridge(BuildPlace& place);
    Result<void> sweep() const;
    Result<void> tear_down();

    Paths paths_;
    RuleUpdater rules_;
    bool used_ = false;
};

/// Cgroup of a RUN.
std::string build_cgroup(const std::string& id);

}  // namespace davit::stack
