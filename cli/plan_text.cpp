#include "cli/plan_text.h"

#include "cli/terminal.h"

#include <array>
#include <fmt/format.h>

namespace davit::cli {
namespace {

using compose::ResourceKind;
using compose::Step;
using compose::StepKind;

struct Verb {
    const char* word = "";
    const char* sign = "";
    const char* sgr = "";
    std::size_t counter = 0;
};

constexpr Verb kCreate = {"create", "+", "32", 0};
constexpr Verb kStart = {"start", ">", "32", 1};
constexpr Verb kStop = {"stop", "!", "33", 2};
constexpr Verb kRemove = {"remove", "-", "31", 3};
constexpr Verb kAwait = {"await", "~", "36", 4};

const Verb& verb_of(StepKind kind) {
    switch (kind) {
        case StepKind::CreateNetwork:
        case StepKind::CreateVolume:
        case StepKind::CreateContainer: return kCreate;
        case StepKind::StartContainer: return kStart;
        case StepKind::StopContainer: return kStop;
        case StepKind::AwaitContainer: return kAwait;
        case StepKind::RemoveNetwork:
        case StepKind::RemoveVolume:
        case StepKind::RemoveContainer: return kRemove;
    }
    return kCreate;
}

const char* word_of(ResourceKind kind) {
    switch (kind) {
        case ResourceKind::Network: return "network";
        case ResourceKind::Volume: return "volume";
        case ResourceKind::Container: return "container";
    }
    return "";
}

}  // namespace

std::string plan_text(const compose::Plan& plan, const std::string& project, bool colour) {
    if (plan.empty()) return fmt::format("Nothing to change in project '{}'.\n", project);
    std::size_t name_width = 0;
    for (const Step& step : plan.steps)
        name_width = std::max(name_width, width_of(step.resource.name));
    std::string text = fmt::format("Changes to project '{}':\n", project);
    std::array<int, 5> counts{};
    for (const Step& step : plan.steps) {
        const Verb& verb = verb_of(step.kind);
        ++counts[verb.counter];
        const std::string action = fmt::format("{} {:<6}", verb.sign, verb.word);
        const std::string place = step.place.empty() ? "" : fmt::format("  ({})", step.place);
        text += fmt::format("  {}   {:<9}   {}{}   {}{}\n", coloured(action, verb.sgr, colour),
                            word_of(step.resource.kind), step.resource.name,
                            std::string(name_width - width_of(step.resource.name), ' '),
                            harmless(step.cause), harmless(place));
    }
    return text + fmt::format("{} step{}: {} create, {} start, {} stop, {} remove\n",
                              plan.steps.size(), plan.steps.size() == 1 ? "" : "s", counts[0],
                              counts[1], counts[2], counts[3]);
}

Json plan_json(const compose::Plan& plan, const std::string& project) {
    Json steps = Json::array();
    for (compose::StepId id = 0; id < plan.steps.size(); ++id) {
        const Step& step = plan.steps[id];
        steps.push_back(
            {{"id", id},
             {"kind", compose::name_of(step.kind)},
             {"resource", {{"kind", word_of(step.resource.kind)}, {"name", step.resource.name}}},
             {"cause", step.cause},
             {"place", step.place.empty() ? Json(nullptr) : Json(step.place)},
             {"after", step.after}});
    }
    return {{"version", 1}, {"project", project}, {"steps", steps}, {"warnings", plan.warnings}};
}

}  // namespace davit::cli
