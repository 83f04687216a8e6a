#pragma once

#include "compose/plan.h"
#include "stack/actuator.h"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace davit::stack {

/// What happened to one step; for progress lines and tests.
struct StepEvent {
    /// Skipped: a step it needs has failed. Waiting: an AwaitContainer goes on.
    enum class Kind { Begun, Done, Failed, Skipped, Waiting };
    Kind kind = Kind::Begun;
    const compose::Step* step = nullptr;
    const Error* error = nullptr;     ///< Set for Failed.
    std::chrono::seconds elapsed{0};  ///< Of Waiting.
    std::string standing = {};        ///< Of Waiting: what it is waiting for, for people.
};
/// Called from the thread that calls `execute`, never from two at once.
using OnEvent = std::function<void(const StepEvent&)>;

struct FailedStep {
    compose::Step step;
    Error error;
};

struct ExecuteOptions {
    int parallel = 0;  ///< Steps at the same time; 0: as many as there are cores, at least 4.
    std::function<bool()> cancelled = {};  ///< Asked before each step; true: begin no more.
};

/// Carries the plan out: a step runs as soon as all it needs have succeeded, in parallel where the
/// graph allows. A failure stops what depends on it and lets the rest finish. Decides nothing.
/// Returns the steps that failed, each cause once, in plan order.
std::vector<FailedStep> execute(const compose::Plan& plan, Actuator& actuator,
                                const ExecuteOptions& options, const OnEvent& on_event);

}  // namespace davit::stack
