#pragma once

#include "builder/build.h"
#include "cli/context.h"
#include "cli/intents.h"
#include "cli/target.h"
#include "stack/build.h"
#include "stack/build_services.h"

#include <map>
#include <string>

namespace davit::cli {

/// How a build is shown. Plain text is that of docker build:
///
///     #3 [build 2/5] RUN make
///     #3 0.412 gcc -c main.c
///     #3 DONE 1.3s
class BuildView {
public:
    enum class Style { Quiet, Plain, Json };

    /// `label`: of the service, where several are built; else empty.
    BuildView(Style style, bool colour, std::string label)
        : style_(style), colour_(colour), label_(std::move(label)) {}

    /// Prints an event to standard error.
    void show(const builder::BuildEvent& event);
    /// What a failed step had written, where it was not shown.
    std::string held_output() const;

private:
    void line(const std::string& text) const;
    void output(const builder::BuildEvent& event);
    void json(const builder::BuildEvent& event) const;

    Style style_;
    bool colour_;
    std::string label_;
    std::map<int, std::string> partial_ = {};  ///< By step: a line that isn't whole yet.
    std::map<int, std::string> held_ = {};     ///< Quiet: the end of each step's output.
    std::string failed_output_ = {};           ///< Quiet: what the steps that failed have said.
};

/// Which services `up` and `build` build, and how.
struct ServiceBuilds {
    std::vector<std::string> services = {};
    std::map<std::string, std::string> args = {};
    std::vector<std::string> ssh = {};  ///< As `--ssh` has them.
    bool dependencies = false;
    bool only_missing = false;
    bool no_cache = false;
    bool pull = false;  ///< Base images are brought anew.
    bool push = false;  ///< What was built goes to its registry.
    bool quiet = false;
    BuildView::Style style = BuildView::Style::Plain;
};

/// Builds images of services, shows how that goes on, and prints the remarks about their files.
/// Returns what was built.
Result<std::vector<stack::BuiltService>> build_services(const Context& context,
                                                        const Target& target,
                                                        const ServiceBuilds& builds);

/// `--check`: prints what is amiss with the services' Dockerfiles. Returns the exit status.
Result<int> lint_services(const Context& context, const Target& target,
                          const ServiceBuilds& builds);

/// Prints remarks that were asked for. Returns the exit status: one remark is a failure.
int tell_remarks(const Context& context, Diagnostics diagnostics);

/// What is said of that under --dry-run.
Result<std::vector<Intent>> intents_to_build(const Target& target, const ServiceBuilds& builds);

/// Pulls base images that are missing. @source docker build
stack::BringImage bring_base_images(const Context& context, const std::string& data_root,
                                    bool quiet);

/// What SOURCE_DATE_EPOCH says, of the environment or of `args`. @errors InvalidInput
Result<std::optional<std::int64_t>> source_date_epoch(
    const Context& context, const std::map<std::string, std::string>& args);

/// `--progress`: auto, plain, tty, quiet, json (or rawjson). @errors InvalidInput
Result<BuildView::Style> parse_build_progress(const std::string& word);

}  // namespace davit::cli
