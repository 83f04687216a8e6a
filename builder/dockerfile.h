#pragma once

#include "base/diagnostic.h"
#include "base/result.h"
#include "base/source.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// A Dockerfile as values: what stands in it, with the place of each word. Nothing is expanded yet,
/// for that depends on the build's arguments. @source Dockerfile reference
namespace davit::builder {

enum class Keyword : std::uint8_t {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
};

/// "COPY".
const char* to_string(Keyword keyword);

/// A piece of an instruction and where it stands.
struct Word {
    std::string text = {};
    SourcePos where = {};
};

/// "--chown=1000:1000".
struct Flag {
    std::string name = {};  ///< Without the dashes.
    std::string value = {};
    SourcePos where = {};
};

/// A here-document.
struct Heredoc {
    std::string name = {};
    std::string body = {};
    bool expand = true;       ///< The name was not quoted: COPY and ADD replace variables in it.
    bool strip_tabs = false;  ///< `<<-`; the body has lost them already.
    SourcePos where = {};     ///< Of the `<<NAME`.
};

/// One NAME=value of ARG, ENV or LABEL.
struct Pair {
    Word name = {};
    std::optional<Word> value = {};  ///< Absent: `ARG NAME`.
};

/// One instruction.
struct Instruction {
    Keyword keyword = Keyword::Run;
    SourcePos where = {};   ///< Of the keyword.
    std::string text = {};  ///< The whole of it in one line, for logs and the history.
    char escape = '\\';
    std::vector<Flag> flags = {};
    bool exec = false;  ///< The words were a JSON array.
    /// RUN, CMD, ENTRYPOINT: the arguments, or one word, which is for the shell. COPY, ADD: sources
    /// and at the end the destination. HEALTHCHECK: "NONE", or "CMD" and what follows. Others:
    /// their values.
    std::vector<Word> words = {};
    std::vector<Pair> pairs = {};  ///< ARG, ENV, LABEL.
    std::vector<Heredoc> heredocs = {};
    /// ONBUILD: what is to be done by images that build on this one.
    std::shared_ptr<const Instruction> trigger = {};

    /// The value of a flag; nothing where it isn't given. The last one counts.
    std::optional<std::string> flag(std::string_view name) const;
    /// A flag that is on or off: "--link", "--link=true".
    bool switched_on(std::string_view name) const;
};

struct Stage {
    std::string name = {};  ///< Lower case; empty where it has none.
    Word base = {};         ///< Image, stage or "scratch"; not expanded.
    Instruction from = {};
    std::vector<Instruction> steps = {};
};

struct Dockerfile {
    std::shared_ptr<const SourceFile> file = {};
    std::vector<Instruction> globals = {};  ///< The ARGs before the first FROM.
    std::vector<Stage> stages = {};         ///< At least one.
};

/// Reads a Dockerfile. All its mistakes go to `diagnostics`; where there is an error, the result is
/// nothing. Pure.
std::optional<Dockerfile> parse_dockerfile(std::shared_ptr<const SourceFile> file,
                                           Diagnostics& diagnostics);

/// Reads one instruction that stands alone, as an image's ONBUILD trigger does.
std::optional<Instruction> parse_instruction(std::shared_ptr<const SourceFile> text,
                                             Diagnostics& diagnostics);

/// The times and the count of a HEALTHCHECK. @source Dockerfile reference, "HEALTHCHECK"
struct HealthTimes {
    std::chrono::microseconds interval = {};  ///< 0: the default.
    std::chrono::microseconds timeout = {};
    std::chrono::microseconds start_period = {};
    std::chrono::microseconds start_interval = {};
    int retries = 0;
};

/// @errors InvalidInput, naming the flag
Result<HealthTimes> health_times(const Instruction& instruction);

}  // namespace davit::builder
