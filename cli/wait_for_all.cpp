#include "cli/wait_for_all.h"

#include "cli/attached_up.h"
#include "cli/exit_code.h"
#include "stack/await.h"

namespace davit::cli {

Deadline deadline_after(const std::optional<int>& seconds) {
    if (!seconds) return std::nullopt;
    return std::chrono::steady_clock::now() + std::chrono::seconds(*seconds);
}

Result<int> wait_for_all(const Context& context, const stack::Paths& paths,
                         const std::string& project, const std::vector<std::string>& containers,
                         const Deadline& deadline, const Interrupts& interrupts,
                         Progress& progress) {
    stack::AwaitOptions options;
    options.cancel_fd = interrupts.fd();
    options.deadline = deadline;
    std::vector<stack::FailedStep> failed;
    for (const std::string& name : containers) {
        progress.say(name, "Waiting");
        Result<void> waited =
            stack::await_container(paths, project, name, compose::Awaited::Running, options);
        if (waited) {
            progress.say(name, "Healthy");
            continue;
        }
        if (waited.error().kind() == ErrorKind::Cancelled) return kInterrupted;
        compose::Step step;
        step.kind = compose::StepKind::AwaitContainer;
        step.resource = {compose::ResourceKind::Container, name};
        failed.push_back({std::move(step), std::move(waited).error()});
    }
    return report_failures(paths, project, failed, context.terminal.err_colour);
}

}  // namespace davit::cli
