#pragma once

#include "cli/progress.h"
#include "cli/target.h"
#include "stack/life.h"
#include "stack/status.h"

#include <functional>
#include <set>
#include <string>
#include <vector>

/// Which containers the words of a command line mean, and doing one thing to all of them.
namespace davit::cli {

/// The chosen containers of one project.
struct Selection {
    std::string project = {};
    std::vector<stack::ContainerView> views = {};  ///< Sorted by name.
};

/// What `words` mean: services of the project, or containers by name or id, of any project where
/// the command was called outside of one. No words: all containers of the project.
/// @errors NotFound for a word that means nothing, with the nearest name
Result<std::vector<Selection>> select_containers(const Target& target,
                                                 const std::vector<std::string>& words);

/// The container with the number `index` of a service, or the container of that name; `index` 0:
/// the first. @errors NotFound
Result<stack::ContainerView> one_container(const Target& target, const std::string& word,
                                           int index);

/// What is done to the containers of one project.
using LifeOperation =
    std::function<Result<stack::Failures>(const stack::Environment&, const stack::LifeRequest&)>;

struct LifeCommand {
    std::vector<std::string> words = {};
    std::optional<int> timeout_s = {};
    bool no_deps = false;
    bool wait = false;  ///< Until they run and are healthy.
    std::optional<int> wait_timeout_s = {};
    const char* verb = nullptr;  ///< Of what has no plan, for --dry-run: "pause".
    const char* done = nullptr;  ///< What is said of each, where no step says it: "Paused".
    ToldAs told_as = ToldAs::Steps;
    stack::LifeAction action = stack::LifeAction::Stop;  ///< For --dry-run.
    LifeOperation operation = {};
};

/// Finds the containers, does it to them project by project, tells the progress and what failed.
/// Returns the exit status. With --dry-run it only says what would be done.
Result<int> run_life(const Context& context, const LifeCommand& command);

/// As above, for a selection that is known already.
Result<int> run_life(const Context& context, Target& target,
                     const std::vector<Selection>& selections, const LifeCommand& command);

/// `services` and all that they depend on.
std::set<std::string> with_dependencies(const compose::Project& project,
                                        std::set<std::string> services);

/// Asks a question on standard error and reads "y" or "yes" from standard input.
bool confirmed(const std::string& question);

}  // namespace davit::cli
