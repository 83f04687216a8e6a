#pragma once

#include "base/result.h"
#include "compose/plan.h"

#include <string>

namespace davit::stack {

/// Changes the world, one function a step kind. Called from several threads at once.
/// The real one is KernelActuator; tests use one that records.
class Actuator {
public:
    Actuator() = default;
    Actuator(const Actuator&) = delete;
    Actuator& operator=(const Actuator&) = delete;
    virtual ~Actuator() = default;

    virtual Result<void> create_network(const std::string& name) = 0;
    virtual Result<void> remove_network(const std::string& name) = 0;
    virtual Result<void> create_volume(const std::string& name) = 0;
    virtual Result<void> remove_volume(const std::string& name) = 0;
    virtual Result<void> create_container(const std::string& name) = 0;
    virtual Result<void> start_container(const std::string& name) = 0;
    virtual Result<void> stop_container(const std::string& name) = 0;
    virtual Result<void> remove_container(const std::string& name) = 0;
    /// Blocks until the condition holds. @errors Cancelled where the user doesn't want it any more
    virtual Result<void> await_container(const std::string& name, compose::Awaited condition) = 0;
    /// How it stands with a wait, for people.
    virtual std::string standing_of(const std::string& name) = 0;
};

/// Calls the function of `actuator` that `step` names.
Result<void> perform(const compose::Step& step, Actuator& actuator);

}  // namespace davit::stack
