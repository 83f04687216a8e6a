#pragma once

#include "cli/context.h"
#include "cli/live_view.h"
#include "stack/executor.h"

#include <memory>
#include <set>
#include <string>

namespace davit::cli {

/// What the user has asked for: stopping and starting are steps of other commands, too, and docker
/// compose calls them by the command.
enum class ToldAs { Steps, Kill, Restart };

/// The line that tells of one event: " Container shop-web-1  Created". Empty for those that say
/// nothing to a person. Pure.
std::string progress_line(const stack::StepEvent& event, bool colour, ToldAs as = ToldAs::Steps);

/// Tells on standard error how steps go on, and remembers who was spoken of: on a terminal a line a
/// resource that is painted over, else a line a change.
class Progress {
public:
    enum class Style { Quiet, Plain, Json, Terminal };
    Progress(Style style, bool colour, ToldAs as = ToldAs::Steps)
        : style_(style), colour_(colour), as_(as) {}

    /// The end of painting: from here on others may write to standard error, and what is said goes
    /// in lines. May be called again.
    void finish();

    /// For `stack::up` and the like. Must not outlive this.
    stack::OnEvent listener();

    /// " Container shop-web-1  Running", for one that nothing had to be done for.
    void running(const std::string& container);
    /// " Container shop-web-1  WORD".
    void say(const std::string& container, const char* word) const;
    /// A line of its own, for people: programs that read JSON ask `ps`.
    void note(const std::string& text) const;

private:
    void print(const std::string& line) const;
    void show(const stack::StepEvent& event);

    Style style_;
    bool colour_;
    ToldAs as_;
    std::set<std::string> containers_ = {};
    std::unique_ptr<LiveView> live_ = {};  ///< While it is painted.
};

/// `--progress`. @errors InvalidInput for another word
Result<Progress::Style> parse_progress(const std::string& word);

/// The same, with "auto" worked out: painted on a terminal that can do it, unless --ansi is never.
Result<Progress::Style> progress_style(const Context& context);

}  // namespace davit::cli
