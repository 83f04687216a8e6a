#include "cli/selection.h"

#include "base/strings.h"
#include "base/sys.h"
#include "cli/attached_up.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/interrupts.h"
#include "cli/plan_text.h"
#include "cli/progress.h"
#include "cli/wait_for_all.h"

#include <algorithm>
#include <set>
#include <unistd.h>

namespace davit::cli {
namespace {

using stack::ContainerView;
using Views = std::vector<ContainerView>;

void add_once(std::vector<Selection>& selections, const ContainerView& view) {
    const std::string& project = view.record.project;
    auto at = std::find_if(selections.begin(), selections.end(),
                           [&](const Selection& s) { return s.project == project; });
    if (at == selections.end()) at = selections.insert(at, Selection{project, {}});
    const bool known = std::any_of(at->views.begin(), at->views.end(), [&](const auto& other) {
        return other.record.name == view.record.name;
    });
    if (!known) at->views.push_back(view);
}

Error no_such_service(const Target& target, const std::string& word, const Views& views) {
    const Result<void> checked = check_services(target, {word}, views);
    if (!checked) return checked.error();
    return {ErrorKind::NotFound, fmt::format("service '{}' has no container", printable(word))};
}

/// Whether a container that may be another project's is what the word means. The beginning of an id
/// is, where nobody can have meant a service: "db" and "fe" are ids' beginnings as well.
bool means(const ContainerView& view, const std::string& word) {
    constexpr std::size_t kShownDigits = 12;
    return view.record.name == word || word.size() >= kShownDigits;
}

bool in_file(const Target& target, const std::string& word) {
    return target.loaded && target.loaded->project.services.contains(word);
}

stack::LifeRequest request_of(const Selection& selection, const LifeCommand& command) {
    stack::LifeRequest request;
    request.project = selection.project;
    for (const ContainerView& view : selection.views) request.containers.insert(view.record.name);
    if (command.timeout_s) request.stop_timeout = std::chrono::seconds(*command.timeout_s);
    request.no_deps = command.no_deps;
    if (command.wait) request.wait_until = deadline_after(command.wait_timeout_s);
    request.options.cancelled = [] { return Interrupts::count() > 0; };
    return request;
}

}  // namespace

Result<std::vector<Selection>> select_containers(const Target& target,
                                                 const std::vector<std::string>& words) {
    const stack::Paths& paths = target.environment.paths;
    std::vector<Selection> selections;
    if (target.project.empty()) {
        if (words.empty())
            return Error(ErrorKind::NotFound, "no project here")
                .help("name one with -p, or a container");
        for (const std::string& word : words)
            add_once(selections, TRY(stack::find_container(paths, {}, word)));
        return selections;
    }
    const Views views = TRY(stack::list_containers(paths, target.project));
    if (words.empty()) {
        // Those of `run` are meant only where they are named.
        for (const ContainerView& view : views)
            if (!view.record.one_off) add_once(selections, view);
        return selections;
    }
    for (const std::string& word : words) {
        bool meant = in_file(target, word);
        for (const ContainerView& view : views) {
            const bool of_service = view.record.service == word && !view.record.one_off;
            if (!of_service && view.record.name != word) continue;
            add_once(selections, view);
            meant = true;
        }
        if (meant) continue;
        // Docker's users name containers of any project.
        const Result<ContainerView> elsewhere = stack::find_container(paths, {}, word);
        if (!elsewhere || !means(*elsewhere, word)) return no_such_service(target, word, views);
        add_once(selections, *elsewhere);
    }
    return selections;
}

Result<ContainerView> one_container(const Target& target, const std::string& word, int index) {
    const stack::Paths& paths = target.environment.paths;
    if (target.project.empty()) return stack::find_container(paths, {}, word);
    const Views views = TRY(stack::list_containers(paths, target.project));
    const ContainerView* first = nullptr;
    bool known = false;
    for (const ContainerView& view : views) {
        if (view.record.service != word || view.record.one_off) continue;
        known = true;
        if (index > 0 && view.record.number != index) continue;
        if (first == nullptr || view.record.number < first->record.number) first = &view;
    }
    if (first != nullptr) return *first;
    if (known)
        return Error(ErrorKind::NotFound,
                     fmt::format("service '{}' has no container {}", word, index))
            .help("'davit ps -a' lists them");
    Result<ContainerView> named = stack::find_container(paths, target.project, word);
    if (named && means(*named, word)) return named;
    Error unknown = no_such_service(target, word, views);
    if (!unknown.help().empty()) return unknown;
    return std::move(unknown).help("'davit ps -a' lists those that are there");
}

Result<int> run_life(const Context& context, Target& target,
                     const std::vector<Selection>& selections, const LifeCommand& command) {
    const Progress::Style style = TRY(progress_style(context));
    const bool colour = context.terminal.err_colour;
    if (context.globals.dry_run && command.verb != nullptr) {
        std::vector<Intent> intents;
        for (const Selection& selection : selections)
            for (const ContainerView& view : selection.views)
                if (view.state.pid != 0)
                    intents.push_back({'~', command.verb, "container", view.record.name});
        return tell_intents(intents);
    }
    if (context.globals.dry_run) {
        for (const Selection& selection : selections)
            to_stdout(plan_text(TRY(stack::preview(target.environment,
                                                   request_of(selection, command), command.action)),
                                selection.project, context.terminal.out_colour));
        return kOk;
    }
    target.environment.runtime_program = TRY(find_runtime(context));
    const Interrupts interrupts = TRY(Interrupts::install(2));
    Progress progress(style, colour, command.told_as);
    int status = kOk;
    for (const Selection& selection : selections) {
        stack::LifeRequest request = request_of(selection, command);
        request.on_event = progress.listener();
        request.cancel_fd = interrupts.fd();
        const stack::Failures failed = TRY(command.operation(target.environment, request));
        progress.finish();
        for (const stack::FailedStep& step : failed)
            request.containers.erase(step.step.resource.name);
        const stack::Paths& paths = target.environment.paths;
        const int reported = report_failures(paths, selection.project, failed, colour);
        if (reported != kOk) status = reported;
        if (command.done != nullptr)
            for (const std::string& name : request.containers) progress.say(name, command.done);
        if (!command.wait || reported != kOk || Interrupts::count() > 0) continue;
        const int waited = TRY(wait_for_all(context, paths, selection.project,
                                            {request.containers.begin(), request.containers.end()},
                                            request.wait_until, interrupts, progress));
        if (waited != kOk) status = waited;
    }
    return Interrupts::count() > 0 ? kInterrupted : status;
}

Result<int> run_life(const Context& context, const LifeCommand& command) {
    TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    const std::vector<Selection> selections = TRY(select_containers(*found.target, command.words));
    return run_life(context, *found.target, selections, command);
}

std::set<std::string> with_dependencies(const compose::Project& project,
                                        std::set<std::string> services) {
    std::vector<std::string> queue(services.begin(), services.end());
    std::set<std::string> selected;
    while (!queue.empty()) {
        const std::string name = std::move(queue.back());
        queue.pop_back();
        const auto service = project.services.find(name);
        if (service == project.services.end() || !selected.insert(name).second) continue;
        for (const compose::Dependency& need : service->second.depends_on)
            queue.push_back(need.service);
    }
    return selected;
}

bool confirmed(const std::string& question) {
    to_stderr(question);
    std::string answer;
    char letter = 0;
    while (sys::retry_on_eintr([&] { return ::read(STDIN_FILENO, &letter, 1); }) == 1 &&
           letter != '\n')
        answer += letter;
    const std::string_view word = trim(answer);
    return word == "y" || word == "Y" || word == "yes";
}

}  // namespace davit::cli
