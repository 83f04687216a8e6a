#include "cli/build_view.h"

#include "base/json.h"
#include "base/strings.h"
#include "cli/exit_code.h"
#include "cli/interrupts.h"
#include "cli/pull_images.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "stack/build_services.h"

#include <fmt/format.h>

namespace davit::cli {

void BuildView::line(const std::string& text) const {
    to_stderr((label_.empty() ? "" : harmless(label_) + " ") + text + "\n");
}

void BuildView::output(const builder::BuildEvent& event) {
    if (style_ == Style::Quiet) {
        constexpr std::size_t kKept = 16384;
        std::string& held = held_[event.number];
        held += event.output;
        if (held.size() > kKept) held.erase(0, held.size() - kKept);
        return;
    }
    std::string& partial = partial_[event.number];
    partial += event.output;
    for (std::size_t end = partial.find('\n'); end != std::string::npos; end = partial.find('\n')) {
        // What a program writes over with "\r" is shown as it is at last.
        std::string text = partial.substr(0, end);
        if (text.ends_with('\r')) text.pop_back();
        if (const std::size_t at = text.rfind('\r'); at != std::string::npos) text.erase(0, at + 1);
        line(
            fmt::format("#{} {}", event.number, harmless(text, colour_ ? Sgr::Keep : Sgr::Escape)));
        partial.erase(0, end + 1);
    }
}

void BuildView::json(const builder::BuildEvent& event) const {
    const char* kinds[] = {"begun", "cached", "output", "done", "failed", "cancelled"};
    Json record = {{"event", kinds[static_cast<std::size_t>(event.kind)]},
                   {"step", event.number},
                   {"name", event.step}};
    if (!label_.empty()) record["service"] = label_;
    if (!event.output.empty()) record["output"] = event.output;
    if (event.kind == builder::BuildEvent::Kind::Done) record["seconds"] = event.seconds;
    to_stderr(record.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

void BuildView::show(const builder::BuildEvent& event) {
    using Kind = builder::BuildEvent::Kind;
    if (style_ == Style::Json) return json(event);
    if (event.kind == Kind::Output) return output(event);
    if (style_ == Style::Quiet) {
        if (event.kind == Kind::Failed) failed_output_ += held_[event.number];
        if (event.kind != Kind::Begun) held_.erase(event.number);
        return;
    }
    if (auto& partial = partial_[event.number]; !partial.empty()) {
        builder::BuildEvent rest = event;
        rest.output = "\n";
        output(rest);
    }
    const std::string number = fmt::format("#{}", event.number);
    switch (event.kind) {
        case Kind::Begun: return line(fmt::format("{} {}", number, harmless(event.step)));
        case Kind::Cached:
            line(fmt::format("{} {}", number, harmless(event.step)));
            return line(fmt::format("{} {}", number, coloured("CACHED", "36", colour_)));
        case Kind::Done:
            return line(
                fmt::format("{} {}", number,
                            coloured(fmt::format("DONE {:.1f}s", event.seconds), "32", colour_)));
        case Kind::Failed:
            return line(fmt::format("{} {}", number, coloured("ERROR", "31", colour_)));
        case Kind::Cancelled:
            return line(fmt::format("{} {}", number, coloured("CANCELED", "33", colour_)));
        case Kind::Output: return;
    }
}

std::string BuildView::held_output() const { return failed_output_; }

Result<std::optional<std::int64_t>> source_date_epoch(
    const Context& context, const std::map<std::string, std::string>& args) {
    std::string epoch = context.variable("SOURCE_DATE_EPOCH");
    if (const auto given = args.find("SOURCE_DATE_EPOCH"); given != args.end())
        epoch = given->second;
    if (epoch.empty()) return std::optional<std::int64_t>();
    const auto seconds = parse_integer(epoch);
    if (!seconds || *seconds < 0)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("SOURCE_DATE_EPOCH is '{}'", printable(epoch)))
            .help("it counts seconds since 1970");
    return std::optional<std::int64_t>(*seconds);
}

stack::BringImage bring_base_images(const Context& context, const std::string& data_root,
                                    bool quiet) {
    return [&context, data_root, quiet](const std::string& name) -> Result<void> {
        WantedImage wanted;
        wanted.image = name;
        const std::vector<PullOutcome> outcomes =
            TRY(pull_images(context, data_root, {wanted}, quiet));
        for (const PullOutcome& outcome : outcomes)
            if (!outcome.result) return outcome.result.error();
        return {};
    };
}

Result<std::vector<stack::BuiltService>> build_services(const Context& context,
                                                        const Target& target,
                                                        const ServiceBuilds& builds) {
    const bool colour = context.terminal.err_colour;
    stack::BuildServicesRequest request;
    request.loaded = &*target.loaded;
    request.services = builds.services;
    request.dependencies = builds.dependencies;
    request.only_missing = builds.only_missing;
    request.no_cache = builds.no_cache;
    request.pull = builds.pull;
    request.args = builds.args;
    request.ssh = builds.ssh;
    request.source_date_epoch = TRY(source_date_epoch(context, builds.args));
    request.cancelled = [] { return Interrupts::count() > 0; };
    const BuildView::Style style = builds.quiet ? BuildView::Style::Quiet : builds.style;
    request.bring = bring_base_images(context, target.environment.paths.data_root,
                                      style != BuildView::Style::Plain);
    std::map<std::string, BuildView> views;
    std::string last;
    request.on_event = [&](const std::string& service, const builder::BuildEvent& event) {
        last = service;
        views.try_emplace(service, style, colour, service).first->second.show(event);
    };
    Diagnostics diagnostics;
    auto built = stack::build_services(target.environment, request, diagnostics);
    to_stderr(render(diagnostics, Severity::Error, colour));
    if (!built) {
        if (const auto view = views.find(last); view != views.end())
            to_stderr(harmless(view->second.held_output()));
        return built.error();
    }
    for (const stack::BuiltService& one : *built)
        if (style == BuildView::Style::Plain)
            to_stderr(fmt::format(" Image {}  Built\n", harmless(one.image)));
    return built;
}

int tell_remarks(const Context& context, Diagnostics diagnostics) {
    diagnostics.sort_by_place();
    to_stderr(render(diagnostics, Severity::Error, context.terminal.err_colour));
    if (!diagnostics.list().empty()) return kFailed;
    to_stderr("no remarks\n");
    return kOk;
}

Result<int> lint_services(const Context& context, const Target& target,
                          const ServiceBuilds& builds) {
    stack::BuildServicesRequest request;
    request.loaded = &*target.loaded;
    request.services = builds.services;
    request.dependencies = builds.dependencies;
    request.args = builds.args;
    request.ssh = builds.ssh;
    Diagnostics diagnostics;
    const Result<void> checked = stack::check_builds(target.environment, request, diagnostics);
    const int code = tell_remarks(context, std::move(diagnostics));
    TRY(checked);
    return code;
}

Result<std::vector<Intent>> intents_to_build(const Target& target, const ServiceBuilds& builds) {
    stack::BuildServicesRequest request;
    request.loaded = &*target.loaded;
    request.services = builds.services;
    request.dependencies = builds.dependencies;
    request.only_missing = builds.only_missing;
    std::vector<Intent> intents;
    for (const stack::BuiltService& one :
         TRY(stack::services_to_build(target.environment, request)))
        intents.push_back({'+', "build", "image", one.image, fmt::format("for {}", one.service)});
    return intents;
}

Result<BuildView::Style> parse_build_progress(const std::string& word) {
    if (word == "auto" || word == "plain" || word == "tty") return BuildView::Style::Plain;
    if (word == "quiet") return BuildView::Style::Quiet;
    if (word == "json" || word == "rawjson") return BuildView::Style::Json;
    return Error(ErrorKind::InvalidInput,
                 fmt::format("'{}' is no kind of progress", printable(word)))
        .help("use auto, plain, tty, json or quiet");
}

}  // namespace davit::cli
