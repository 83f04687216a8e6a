#include "builder/dockerfile.h"

#include "builder/instructions.h"
#include "builder/line_reader.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::builder {
namespace {

constexpr std::size_t kLargest = 16U << 20U;
constexpr std::size_t kMostMistakes = 100;

/// Puts the instructions into stages.
class Collector {
public:
    explicit Collector(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

    void add(Instruction instruction) {
        if (instruction.keyword == Keyword::From) {
            open_stage(std::move(instruction));
        } else if (!file_.stages.empty()) {
            file_.stages.back().steps.push_back(std::move(instruction));
        } else if (instruction.keyword == Keyword::Arg) {
            file_.globals.push_back(std::move(instruction));
        } else if (!lost_from_) {
            diagnostics_.error(
                fmt::format("{} stands before the first FROM", to_string(instruction.keyword)),
                instruction.where, "only ARG may stand there; begin with FROM IMAGE");
        }
    }
    /// A line could not be read; it may have been the FROM that what follows needs.
    void lost() { lost_from_ = true; }

    Dockerfile finish(const std::shared_ptr<const SourceFile>& file) {
        if (file_.stages.empty() && diagnostics_.ok())
            diagnostics_.error(fmt::format("'{}' has no FROM", file->path), {file, 1, 1, 1},
                               "begin it with FROM IMAGE");
        file_.file = file;
        return std::move(file_);
    }

private:
    void open_stage(Instruction from) {
        Stage stage;
        stage.base = from.words.front();
        if (from.words.size() == 3) stage.name = from.words.back().text;
        for (const Stage& other : file_.stages) {
            if (stage.name.empty() || other.name != stage.name) continue;
            Diagnostic remark{Severity::Warning,
                              fmt::format("two stages are called '{}'", stage.name),
                              from.words.back().where,
                              "give one of them another name: the last one is meant by it",
                              {}};
            remark.notes.emplace_back("the first one", other.from.words.back().where);
            diagnostics_.add(std::move(remark));
            break;
        }
        stage.from = std::move(from);
        file_.stages.push_back(std::move(stage));
    }

    Diagnostics& diagnostics_;
    Dockerfile file_;
    bool lost_from_ = false;
};

}  // namespace

std::optional<Dockerfile> parse_dockerfile(std::shared_ptr<const SourceFile> file,
                                           Diagnostics& diagnostics) {
    if (file->text.size() > kLargest || file->text.find('\0') != std::string::npos) {
        diagnostics.error(fmt::format("'{}' is no Dockerfile: {}", file->path,
                                      file->text.size() > kLargest ? "it has more than 16 MiB"
                                                                   : "it holds a zero byte"),
                          {file, 1, 1, 1}, "name the right file with -f");
        return std::nullopt;
    }
    const std::size_t before = diagnostics.list().size();
    LineReader reader(file, diagnostics);
    Collector collector(diagnostics);
    while (const auto line = reader.next()) {
        auto instruction = read_instruction(*line, reader, diagnostics);
        if (instruction) {
            collector.add(*std::move(instruction));
        } else {
            collector.lost();
        }
        if (diagnostics.list().size() - before > kMostMistakes) return std::nullopt;
    }
    Dockerfile result = collector.finish(file);
    if (!diagnostics.ok()) return std::nullopt;
    return result;
}

std::optional<Instruction> parse_instruction(std::shared_ptr<const SourceFile> text,
                                             Diagnostics& diagnostics) {
    LineReader reader(std::move(text), diagnostics);
    const auto line = reader.next();
    if (!line) return std::nullopt;
    auto instruction = read_instruction(*line, reader, diagnostics);
    const bool allowed = instruction && instruction->keyword != Keyword::From &&
                         instruction->keyword != Keyword::Onbuild;
    if (!allowed) return std::nullopt;
    return instruction;
}

}  // namespace davit::builder
