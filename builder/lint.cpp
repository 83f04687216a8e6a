#include "builder/lint.h"

#include "base/strings.h"
#include "builder/expand.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace davit::builder {
namespace {

/// "API_TOKEN" has a part that says that its value is nobody's business. "PUBLIC_KEY" has not.
bool names_a_secret(const std::string& name) {
    constexpr std::array<std::string_view, 9> kParts = {"apikey",      "auth",   "credential",
                                                        "credentials", "key",    "password",
                                                        "passwd",      "secret", "token"};
    const std::vector<std::string> parts = split(lowered(name), '_');
    const auto is_secret = [&](const std::string& part) {
        return std::find(kParts.begin(), kParts.end(), part) != kParts.end();
    };
    return std::any_of(parts.begin(), parts.end(), is_secret) &&
           std::find(parts.begin(), parts.end(), "public") == parts.end();
}

std::string first_word(const std::string& text) {
    return text.substr(0, text.find_first_of(" \t"));
}

/// The keyword as it is written: an instruction's own text has it in capitals.
std::string keyword_as_written(const Instruction& instruction) {
    const SourcePos& where = instruction.where;
    if (!where) return {};
    std::string_view text = where.file->text;
    for (std::uint32_t line = 1; line < where.line; ++line)
        text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
    return std::string(
        text.substr(std::min<std::size_t>(where.column - 1, text.size()), where.length));
}

/// One pass over the file, from stage to stage.
class Linter {
public:
    Linter(const Dockerfile& file, Diagnostics& diagnostics)
        : file_(file), diagnostics_(diagnostics) {}

    void look() {
        for (const Instruction& instruction : file_.globals) declare(instruction, globals_);
        for (const Stage& stage : file_.stages) look_at_stage(stage);
        look_at_casing();
    }

private:
    /// What is known of a stage when another one begins with it.
    struct Known {
        std::set<std::string> variables = {};
        bool has_workdir = false;
        bool has_shell = false;
    };

    void warn(std::string message, const SourcePos& where, std::string help, const char* rule) {
        diagnostics_.warning(fmt::format("{} ({})", message, rule), where, std::move(help));
    }

    static void declare(const Instruction& instruction, std::set<std::string>& names) {
        for (const Pair& pair : instruction.pairs) names.insert(pair.name.text);
    }

    void look_at_stage(const Stage& stage) {
        look_at_name(stage);
        look_at_base(stage);
        Known known;
        if (const auto base = stages_.find(lowered(stage.base.text)); base != stages_.end())
            known = base->second;
        std::map<Keyword, int> seen;
        for (const Instruction& step : stage.steps) {
            look_at_variables(step, known);
            look_at_pairs(step);
            look_at_command(step, known, seen);
            if (step.keyword == Keyword::Arg || step.keyword == Keyword::Env)
                declare(step, known.variables);
        }
        if (!stage.name.empty()) stages_[stage.name] = known;
    }

    void look_at_name(const Stage& stage) {
        if (stage.name.empty()) return;
        const SourcePos& where = stage.from.where;
        if (stage.name == "scratch" || stage.name == "context")
            warn(fmt::format("a stage is called '{}', which means something else", stage.name),
                 where, "give it another name", "ReservedStageName");
    }

    void look_at_base(const Stage& stage) {
        std::set<std::string> unset;
        const Lookup lookup = [this](const std::string& name) -> std::optional<std::string> {
            const bool given = name.starts_with("TARGET") || name.starts_with("BUILD");
            if (given || globals_.contains(name)) return "x";
            return std::nullopt;
        };
        (void)expand_word(stage.base.text, {stage.from.escape, lookup, &unset});
        for (const std::string& name : unset)
            warn(fmt::format("FROM uses '{}', which no ARG before it declares", name),
                 stage.base.where, near(name, globals_), "UndefinedArgInFrom");
        if (stage.from.flag("platform").value_or("").find("TARGETPLATFORM") != std::string::npos)
            warn("--platform=$TARGETPLATFORM is what happens anyway", stage.from.where,
                 "leave it away", "RedundantTargetPlatform");
    }

    static std::string near(const std::string& name, const std::set<std::string>& known) {
        const auto meant = nearest(name, {known.begin(), known.end()});
        return meant ? fmt::format("the nearest is '{}'", *meant) : "declare it with ARG";
    }

    /// The base image may set any variable: only one that looks like a slip of the pen is one.
    void look_at_variables(const Instruction& step, const Known& known) {
        if (step.exec || step.keyword == Keyword::Run || step.keyword == Keyword::Cmd ||
            step.keyword == Keyword::Entrypoint || step.keyword == Keyword::Healthcheck)
            return;
        const Lookup lookup = [&](const std::string& name) -> std::optional<std::string> {
            if (known.variables.contains(name)) return "x";
            return std::nullopt;
        };
        std::set<std::string> unset;
        const ExpandOptions options{step.escape, lookup, &unset};
        for (const Word& word : step.words) (void)expand_word(word.text, options);
        for (const Pair& pair : step.pairs)
            if (pair.value) (void)expand_word(pair.value->text, options);
        for (const std::string& name : unset) {
            const auto meant = nearest(name, {known.variables.begin(), known.variables.end()});
            if (meant)
                warn(fmt::format("'{}' is not set in this stage", name), step.where,
                     fmt::format("the nearest is '{}'", *meant), "UndefinedVar");
        }
    }

    void look_at_pairs(const Instruction& step) {
        if (step.keyword != Keyword::Arg && step.keyword != Keyword::Env &&
            step.keyword != Keyword::Label)
            return;
        for (const Pair& pair : step.pairs)
            if (step.keyword != Keyword::Label && names_a_secret(pair.name.text))
                warn(fmt::format("{} '{}' stays readable in the image", to_string(step.keyword),
                                 pair.name.text),
                     pair.name.where, "use RUN --mount=type=secret", "SecretsUsedInArgOrEnv");
        const std::string rest(trim(step.text.substr(first_word(step.text).size())));
        if (step.keyword != Keyword::Arg && first_word(rest).find('=') == std::string::npos)
            warn(fmt::format("{} without '=' is an old form", to_string(step.keyword)), step.where,
                 "write NAME=value", "LegacyKeyValueFormat");
    }

    void look_at_command(const Instruction& step, Known& known, std::map<Keyword, int>& seen) {
        const Keyword keyword = step.keyword;
        const bool command = keyword == Keyword::Cmd || keyword == Keyword::Entrypoint;
        if ((command || keyword == Keyword::Healthcheck) && ++seen[keyword] == 2)
            warn(fmt::format("a stage has more than one {}: the last one counts",
                             to_string(keyword)),
                 step.where, "take the others away", "MultipleInstructionsDisallowed");
        if (command && !step.exec && !known.has_shell)
            warn(fmt::format("{} in the form of a shell gets no signals", to_string(keyword)),
                 step.where, "write it as a JSON array", "JSONArgsRecommended");
        if (keyword == Keyword::Shell) known.has_shell = true;
        if (keyword == Keyword::Maintainer)
            warn("MAINTAINER is an old form", step.where,
                 "write LABEL org.opencontainers.image.authors=…", "MaintainerDeprecated");
        if (keyword != Keyword::Workdir) return;
        const std::string& path = step.words.front().text;
        if (!path.starts_with('/') && !path.starts_with('$') && !known.has_workdir)
            warn(fmt::format("WORKDIR '{}' depends on what the base image says", printable(path)),
                 step.where, "write an absolute path first", "WorkdirRelativePath");
        known.has_workdir = true;
    }

    /// Whichever way of writing the keywords is in the majority, the others stand out.
    void look_at_casing() {
        std::vector<const Instruction*> all;
        for (const Stage& stage : file_.stages) {
            all.push_back(&stage.from);
            for (const Instruction& step : stage.steps) all.push_back(&step);
        }
        const auto is_lower = [](const Instruction* one) {
            const std::string word = keyword_as_written(*one);
            return word == lowered(word);
        };
        const auto few = std::count_if(all.begin(), all.end(), is_lower);
        const bool wanted = few * 2 > static_cast<std::ptrdiff_t>(all.size());
        for (const Instruction* one : all)
            if (is_lower(one) != wanted)
                warn(fmt::format("'{}' is written in another way than most keywords",
                                 keyword_as_written(*one)),
                     one->where, wanted ? "write it in small letters" : "write it in capitals",
                     "ConsistentInstructionCasing");
    }

    const Dockerfile& file_;
    Diagnostics& diagnostics_;
    std::set<std::string> globals_;
    std::map<std::string, Known> stages_;
};

}  // namespace

void lint(const Dockerfile& file, Diagnostics& diagnostics) { Linter(file, diagnostics).look(); }

}  // namespace davit::builder
