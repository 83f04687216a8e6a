#include "base/sys.h"
#include "cli/commands/life.h"
#include "cli/exit_code.h"
#include "cli/interrupts.h"
#include "cli/row_format.h"
#include "cli/selection.h"
#include "cli/usage_rows.h"

#include <CLI/CLI.hpp>
#include <poll.h>

namespace davit::cli {
namespace {

using Clock = std::chrono::steady_clock;

/// Between two looks, as docker stats has it.
constexpr int kPeriodMs = 1000;

Result<std::vector<stack::ContainerView>> chosen(const Target& target, const StatsFlags& flags) {
    std::vector<stack::ContainerView> views;
    const stack::Paths& paths = target.environment.paths;
    if (target.project.empty() && flags.services.empty()) {
        views = TRY(stack::list_all_containers(paths));
    } else {
        for (Selection& selection : TRY(select_containers(target, flags.services)))
            std::move(selection.views.begin(), selection.views.end(), std::back_inserter(views));
    }
    if (!flags.all)
        std::erase_if(views, [](const stack::ContainerView& view) { return view.state.pid == 0; });
    return views;
}

std::vector<ListedRow> usage_rows(const std::vector<UsageSample>& samples, bool whole_ids) {
    std::vector<ListedRow> rows;
    for (const UsageSample& sample : samples) rows.push_back({usage_row(sample, whole_ids), {}});
    return rows;
}

/// Looks at the containers again and again.
class Sampler {
public:
    std::vector<UsageSample> sample(const std::vector<stack::ContainerView>& views) {
        std::vector<UsageSample> samples;
        std::map<std::string, Look> looks;
        for (const stack::ContainerView& view : views) {
            UsageSample one;
            one.view = view;
            one.now = stack::usage_of(view);
            const Clock::time_point now = Clock::now();
            if (const auto last = last_.find(view.record.id); last != last_.end()) {
                one.before = last->second.usage;
                one.between = now - last->second.at;
            }
            looks[view.record.id] = {one.now, now};
            samples.push_back(std::move(one));
        }
        last_ = std::move(looks);
        return samples;
    }

private:
    struct Look {
        stack::Usage usage = {};
        Clock::time_point at = {};
    };
    std::map<std::string, Look> last_ = {};
};

}  // namespace

void declare(CLI::App& command, StatsFlags& flags) {
    command.add_flag("-a,--all", flags.all, "Also those that don't run");
    command.add_flag("--no-stream", flags.no_stream, "Look once, and end");
    command.add_flag("--no-trunc", flags.no_trunc, "Whole ids");
    command.add_option("--format", flags.format,
                       "table, json (one object a line), a template or table TEMPLATE");
    command.add_option("SERVICE", flags.services, "Only these services, or containers by name");
}

Result<int> run(const Context& context, const StatsFlags& flags) {
    const RowFormat format = TRY(RowFormat::parse(flags.format, usage_kind()));
    const TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    const Interrupts interrupts = TRY(Interrupts::install(2));
    Sampler sampler;
    sampler.sample(TRY(chosen(*found.target, flags)));
    for (;;) {
        // What a processor did takes two looks to tell.
        pollfd interrupted{interrupts.fd(), POLLIN, 0};
        (void)sys::retry_on_eintr([&] { return ::poll(&interrupted, 1, kPeriodMs); });
        if (Interrupts::count() > 0) return kOk;
        const auto samples = sampler.sample(TRY(chosen(*found.target, flags)));
        if (!flags.no_stream && context.terminal.out_is_terminal) to_stdout("\x1b[H\x1b[2J");
        to_stdout(TRY(format.text(usage_rows(samples, flags.no_trunc))));
        if (flags.no_stream || !flush_stdout()) return kOk;
    }
}

}  // namespace davit::cli
