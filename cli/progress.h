#pragma once

#include "stack/executor.h"

#include <set>
#include <string>

namespace davit::cli {

/// The line that tells of one event: " Container shop-web-1  Created". Empty for those that say
/// nothing to a person. Pure.
std::string progress_line(const stack::StepEvent& event, bool colour);

/// Prints progress lines to standard error as steps go on, and remembers who was spoken of.
class Progress {
public:
    enum class Style { Quiet, Plain, Json };
    Progress(Style style, bool colour) : style_(style), colour_(colour) {}

    /// For `stack::up` and the like. Must not outlive this.
    stack::OnEvent listener();

    /// " Container shop-web-1  Running", for one that nothing had to be done for.
    void running(const std::string& container);
    /// " Container shop-web-1  WORD".
    void say(const std::string& container, const char* word) const;

private:
    void print(const std::string& line) const;

    Style style_;
    bool colour_;
    std::set<std::string> containers_ = {};
};

/// `--progress`. @errors InvalidInput for another word
Result<Progress::Style> parse_progress(const std::string& word);

}  // namespace davit::cli
