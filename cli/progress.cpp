#include "cli/progress.h"

#include "base/json.h"
#include "cli/terminal.h"

#include <fmt/format.h>

namespace davit::cli {
namespace {

using compose::ResourceKind;
using compose::StepKind;

/// Empty: nothing is said.
struct Words {
    const char* begun = "";
    const char* done = "";
};

Words words_of(StepKind kind, ToldAs as) {
    if (as == ToldAs::Kill && kind == StepKind::StopContainer) return {"Killing", "Killed"};
    if (as == ToldAs::Restart && kind == StepKind::StopContainer) return {"Restarting", ""};
    if (as == ToldAs::Restart && kind == StepKind::StartContainer) return {"", "Started"};
    switch (kind) {
        case StepKind::CreateNetwork:
        case StepKind::CreateVolume:
        case StepKind::CreateContainer: return {"Creating", "Created"};
        case StepKind::RemoveNetwork:
        case StepKind::RemoveVolume:
        case StepKind::RemoveContainer: return {"Removing", "Removed"};
        case StepKind::StartContainer: return {"Starting", "Started"};
        case StepKind::StopContainer: return {"Stopping", "Stopped"};
        case StepKind::AwaitContainer: return {"Waiting", "Healthy"};
    }
    return {};
}

/// docker compose puts the names of volumes, and only those, in quotes.
std::string subject_of(const compose::Resource& resource) {
    switch (resource.kind) {
        case ResourceKind::Network: return "Network " + resource.name;
        case ResourceKind::Volume: return fmt::format("Volume \"{}\"", resource.name);
        case ResourceKind::Container: return "Container " + resource.name;
    }
    return resource.name;
}

std::string line_of(const std::string& subject, const char* word, const char* sgr, bool colour) {
    if (*word == '\0') return {};
    return fmt::format(" {}  {}\n", harmless(subject), coloured(word, sgr, colour));
}

/// Now and then, so that nobody wonders: " Container shop-db-1  Waiting 10 s: service 'web' waits
/// for it to be healthy; it is running, health: starting, last probe exited with 1: refused".
std::string waiting_line(const stack::StepEvent& event, const std::string& subject, bool colour) {
    constexpr int kEverySeconds = 10;
    if (event.elapsed.count() == 0 || event.elapsed.count() % kEverySeconds != 0) return {};
    const std::string word = fmt::format("Waiting {} s: {}; it is {}", event.elapsed.count(),
                                         harmless(event.step->cause), harmless(event.standing));
    return line_of(subject, word.c_str(), "33", colour);
}

/// {"id":"Container shop-web-1","status":"Stopping"}, as docker compose has it.
std::string progress_json(const std::string& subject, const char* word) {
    if (*word == '\0') return {};
    const Json line = {{"id", subject}, {"status", word}};
    return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string progress_line(const stack::StepEvent& event, bool colour, ToldAs as) {
    const std::string subject = subject_of(event.step->resource);
    Words words = words_of(event.step->kind, as);
    if (event.step->awaited == compose::Awaited::Completed) words.done = "Exited";
    switch (event.kind) {
        case stack::StepEvent::Kind::Begun: return line_of(subject, words.begun, "33", colour);
        case stack::StepEvent::Kind::Done: return line_of(subject, words.done, "32", colour);
        case stack::StepEvent::Kind::Failed: return line_of(subject, "Error", "31", colour);
        case stack::StepEvent::Kind::Waiting: return waiting_line(event, subject, colour);
        case stack::StepEvent::Kind::Skipped: return {};  // its cause was told already
    }
    return {};
}

void Progress::finish() {
    if (style_ == Style::Terminal) style_ = Style::Plain;
    live_.reset();
}

void Progress::show(const stack::StepEvent& event) {
    if (!live_) live_ = std::make_unique<LiveView>(colour_);
    const std::string subject = harmless(subject_of(event.step->resource));
    Words words = words_of(event.step->kind, as_);
    if (event.step->awaited == compose::Awaited::Completed) words.done = "Exited";
    using State = LiveRow::State;
    const auto set = [&](const char* word, State state) {
        if (*word != '\0') live_->set(subject, word, state);
    };
    switch (event.kind) {
        case stack::StepEvent::Kind::Begun: return set(words.begun, State::Working);
        case stack::StepEvent::Kind::Done: return set(words.done, State::Done);
        case stack::StepEvent::Kind::Failed: return live_->set(subject, "Error", State::Failed);
        case stack::StepEvent::Kind::Skipped: return;
        case stack::StepEvent::Kind::Waiting:
            return live_->set(
                subject, "Waiting", State::Working,
                fmt::format("{}; it is {}", harmless(event.step->cause), harmless(event.standing)));
    }
}

void Progress::print(const std::string& line) const {
    if (style_ != Style::Quiet) to_stderr(line);
}

stack::OnEvent Progress::listener() {
    return [this](const stack::StepEvent& event) {
        if (event.step->resource.kind == ResourceKind::Container)
            containers_.insert(event.step->resource.name);
        if (style_ == Style::Terminal) return show(event);
        if (style_ != Style::Json) return print(progress_line(event, colour_, as_));
        const Words words = words_of(event.step->kind, as_);
        const std::string subject = subject_of(event.step->resource);
        if (event.kind == stack::StepEvent::Kind::Begun) print(progress_json(subject, words.begun));
        if (event.kind == stack::StepEvent::Kind::Done) print(progress_json(subject, words.done));
        if (event.kind == stack::StepEvent::Kind::Failed) print(progress_json(subject, "Error"));
    };
}

void Progress::running(const std::string& container) {
    if (containers_.count(container) == 0) say(container, "Running");
}

void Progress::say(const std::string& container, const char* word) const {
    const std::string subject = "Container " + container;
    print(style_ == Style::Json ? progress_json(subject, word)
                                : line_of(subject, word, "32", colour_));
}

void Progress::note(const std::string& text) const {
    if (style_ != Style::Json) print(" " + text + "\n");
}

Result<Progress::Style> progress_style(const Context& context) {
    const Progress::Style style = TRY(parse_progress(context.globals.progress));
    const bool can = context.terminal.err_is_terminal && context.globals.ansi != "never" &&
                     context.variable("TERM") != "dumb";
    const bool painted =
        context.globals.progress == "tty" || (context.globals.progress == "auto" && can);
    return painted ? Progress::Style::Terminal : style;
}

Result<Progress::Style> parse_progress(const std::string& word) {
    if (word == "json") return Progress::Style::Json;
    if (word == "quiet") return Progress::Style::Quiet;
    if (word == "auto" || word == "tty" || word == "plain") return Progress::Style::Plain;
    return Error(ErrorKind::InvalidInput, fmt::format("unknown value '{}' of --progress", word))
        .help("use auto, tty, plain, json or quiet");
}

}  // namespace davit::cli
