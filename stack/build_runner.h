#pragma once

#include "builder/step_runner.h"
#include "runtime/container.h"
#include "stack/agent_relay.h"
#include "stack/build_network.h"
#include "stack/operations.h"

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace davit::stack {

/// Runs the steps of a build as containers of this host, with everything that a service's container
/// has: namespaces, an id range, the default capabilities and filter, limits, a network.
class BuildRunner : public builder::StepRunner {
public:
    explicit BuildRunner(const Environment& environment)
        : environment_(environment), network_(environment.paths) {}

    Result<builder::RunOutcome> run(const builder::RunRequest& request,
                                    const std::function<void(std::string_view)>& output) override;

    Result<builder::Owner> find_owner(const std::string& user,
                                      const std::vector<std::string>& layers) override;

private:
    Result<Json> config_of(const builder::RunRequest& request, const BuildPlace& place) const;
    Result<void> write_files(const builder::RunRequest& request, const BuildPlace& place,
                             Json& config) const;
    /// They relay as long as they are held.
    static Result<std::vector<std::unique_ptr<AgentRelay>>> start_agents(
        const builder::RunRequest& request, const BuildPlace& place, Json& config);
    static Result<builder::RunOutcome> wait(const builder::RunRequest& request,
                                            runtime::Container& container, UniqueFd pipe,
                                            const std::function<void(std::string_view)>& output);

    const Environment& environment_;
    BuildNetwork network_;
    std::mutex starting_;  ///< Forked children copy all descriptors: one start at a time.
};

}  // namespace davit::stack
