#include "cli/progress.h"

#include "cli/terminal.h"

#include <fmt/format.h>

namespace davit::cli {
namespace {

using compose::ResourceKind;
using compose::StepKind;

struct Words {
    const char* begun = "";
    const char* done = "";
};

Words words_of(StepKind kind) {
    switch (kind) {
        case StepKind::CreateNetwork:
        case StepKind::CreateVolume:
        case StepKind::CreateContainer: return {"Creating", "Created"};
        case StepKind::RemoveNetwork:
        case StepKind::RemoveVolume:
        case StepKind::RemoveContainer: return {"Removing", "Removed"};
        case StepKind::StartContainer: return {"Starting", "Started"};
        case StepKind::StopContainer: return {"Stopping", "Stopped"};
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
    return fmt::format(" {}  {}\n", harmless(subject), coloured(word, sgr, colour));
}

}  // namespace

std::string progress_line(const stack::StepEvent& event, bool colour) {
    const std::string subject = subject_of(event.step->resource);
    const Words words = words_of(event.step->kind);
    switch (event.kind) {
        case stack::StepEvent::Kind::Begun: return line_of(subject, words.begun, "33", colour);
        case stack::StepEvent::Kind::Done: return line_of(subject, words.done, "32", colour);
        case stack::StepEvent::Kind::Failed: return line_of(subject, "Error", "31", colour);
        case stack::StepEvent::Kind::Skipped: return {};  // its cause was told already
    }
    return {};
}

void Progress::print(const std::string& line) const {
    if (style_ != Style::Quiet) to_stderr(line);
}

stack::OnEvent Progress::listener() {
    return [this](const stack::StepEvent& event) {
        if (event.step->resource.kind == ResourceKind::Container)
            containers_.insert(event.step->resource.name);
        print(progress_line(event, colour_));
    };
}

void Progress::running(const std::string& container) {
    if (containers_.count(container) == 0)
        print(line_of("Container " + container, "Running", "32", colour_));
}

Result<Progress::Style> parse_progress(const std::string& word) {
    if (word == "quiet") return Progress::Style::Quiet;
    if (word == "auto" || word == "tty" || word == "plain") return Progress::Style::Plain;
    return Error(ErrorKind::InvalidInput, fmt::format("unknown value '{}' of --progress", word))
        .help("use auto, tty, plain or quiet");
}

}  // namespace davit::cli
