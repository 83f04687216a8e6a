#include "builder/graph.h"

#include "base/strings.h"
#include "builder/expand.h"
#include "builder/run_mount.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::builder {
namespace {

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

bool is_called(const Stage& stage, const std::string& name) {
    return !stage.name.empty() && stage.name == lower(name);
}

/// A stage, or the context that was given in its place.
Origin origin_of(const Dockerfile& file, std::size_t index, const std::set<std::string>& contexts) {
    for (const std::string& context : contexts)
        if (is_called(file.stages[index], context))
            return {.kind = Origin::Kind::Context, .stage = 0, .name = context};
    return {.kind = Origin::Kind::Stage, .stage = index, .name = {}};
}

class GraphMaker {
public:
    GraphMaker(const Dockerfile& file, const GraphInputs& inputs, Diagnostics& diagnostics)
        : file_(file), inputs_(inputs), diagnostics_(diagnostics) {}

    std::optional<BuildGraph> make() {
        set_globals();
        for (std::size_t i = 0; i < file_.stages.size(); ++i) add_stage(i);
        if (!find_target()) return std::nullopt;
        std::vector<Mark> marks(file_.stages.size(), Mark::New);
        visit(graph_.target, marks);
        for (std::size_t i = 0; i < marks.size(); ++i)
            if (marks[i] == Mark::Done) graph_.order.push_back(i);
        if (failed_) return std::nullopt;
        return std::move(graph_);
    }

private:
    enum class Mark : std::uint8_t { New, Open, Done };

    void error(std::string message, const SourcePos& where, std::string help) {
        failed_ = true;
        diagnostics_.error(std::move(message), where, std::move(help));
    }

    ExpandOptions options(char escape) {
        return {.escape = escape, .lookup = [this](const std::string& name) {
                    const auto found = graph_.globals.find(name);
                    return found == graph_.globals.end()
                               ? std::nullopt
                               : std::optional<std::string>(found->second);
                }};
    }

    std::string expanded(const std::string& text, char escape, const SourcePos& where) {
        auto value = expand_word(text, options(escape));
        if (value) return *std::move(value);
        error(value.error().to_string(), where, value.error().help());
        return {};
    }

    void set_globals() {
        const std::string platform = "linux/" + inputs_.architecture;
        for (const char* side : {"BUILD", "TARGET"}) {
            const std::string name = side;
            graph_.globals[name + "PLATFORM"] = platform;
            graph_.globals[name + "OS"] = "linux";
            graph_.globals[name + "ARCH"] = inputs_.architecture;
            graph_.globals[name + "VARIANT"] = "";
            graph_.globals[name + "OSVERSION"] = "";
        }
        graph_.globals["TARGETSTAGE"] = inputs_.target.empty() ? "default" : inputs_.target;
        for (auto& [name, value] : graph_.globals)
            if (const auto given = inputs_.args.find(name); given != inputs_.args.end())
                value = given->second;
        for (const Instruction& instruction : file_.globals) {
            for (const Pair& pair : instruction.pairs) {
                const auto given = inputs_.args.find(pair.name.text);
                if (given != inputs_.args.end())
                    graph_.globals[pair.name.text] = given->second;
                else if (pair.value)
                    graph_.globals[pair.name.text] =
                        expanded(pair.value->text, instruction.escape, pair.value->where);
            }
        }
    }

    void check_platform(const Stage& stage) {
        const auto flag = stage.from.flag("platform");
        if (!flag) return;
        const SourcePos where = stage.from.flags.front().where;
        const std::string platform = expanded(*flag, stage.from.escape, where);
        const std::string own = "linux/" + inputs_.architecture;
        if (platform.empty() || platform == own || platform == inputs_.architecture ||
            platform == own + "/v1" || platform == "linux")
            return;
        error(fmt::format("a stage for '{}' can't be built on {}", printable(platform), own), where,
              "leave --platform out, or build on a machine of that kind");
    }

    void add_stage(std::size_t index) {
        const Stage& stage = file_.stages[index];
        StageNode node;
        node.stage = &stage;
        const Origin place = origin_of(file_, index, inputs_.contexts);
        node.replaced = place.kind == Origin::Kind::Context;
        node.label = stage.name.empty() ? fmt::format("stage-{}", index) : stage.name;
        if (node.replaced) {
            node.base = place;
            graph_.stages.push_back(std::move(node));
            return;
        }
        check_platform(stage);
        const std::string base = expanded(stage.base.text, stage.from.escape, stage.base.where);
        if (base.empty() && !failed_)
            error(fmt::format("FROM '{}' names nothing", printable(stage.base.text)),
                  stage.base.where,
                  "give the ARG before the first FROM a default, or a value with --build-arg");
        node.base = base_of(base, index);
        if (node.base.kind == Origin::Kind::Stage) node.needs.insert(node.base.stage);
        for (const Instruction& step : stage.steps) add_needs(step, index, node);
        graph_.stages.push_back(std::move(node));
    }

    /// Only a stage that came before can be a base: a later one of that name is meant as an image.
    Origin base_of(const std::string& name, std::size_t index) const {
        if (name == "scratch") return {};
        for (std::size_t i = index; i-- > 0;)
            if (is_called(file_.stages[i], name)) return origin_of(file_, i, inputs_.contexts);
        if (inputs_.contexts.contains(name))
            return {.kind = Origin::Kind::Context, .stage = 0, .name = name};
        return {.kind = Origin::Kind::Image, .stage = 0, .name = name};
    }

    void add_needs(const Instruction& step, std::size_t index, StageNode& node) {
        for (const Flag& flag : step.flags) {
            std::string from;
            if (step.keyword == Keyword::Copy && flag.name == "from") from = flag.value;
            if (step.keyword == Keyword::Run && flag.name == "mount")
                if (const auto mount = parse_run_mount(flag.value, nullptr)) from = mount->from;
            if (from.empty()) continue;
            const auto number = parse_integer(from);
            if (number && (*number < 0 || *number >= static_cast<long long>(file_.stages.size()))) {
                error(fmt::format("there is no stage {}", *number), flag.where,
                      fmt::format("stages count from 0 to {}", file_.stages.size() - 1));
                continue;
            }
            const Origin origin = find_origin(file_, inputs_.contexts, from);
            if (origin.kind != Origin::Kind::Stage) continue;
            if (origin.stage == index)
                error("a stage can't take files from itself", flag.where,
                      "name an earlier stage, or copy with RUN cp");
            else
                node.needs.insert(origin.stage);
        }
    }

    bool find_target() {
        graph_.target = file_.stages.size() - 1;
        if (inputs_.target.empty()) return true;
        std::vector<std::string> names;
        for (std::size_t i = file_.stages.size(); i-- > 0;) {
            const std::string& name = file_.stages[i].name;
            if (!name.empty()) names.insert(names.begin(), name);
            if (name != lower(inputs_.target) && fmt::format("{}", i) != inputs_.target) continue;
            graph_.target = i;
            return true;
        }
        const auto meant = nearest(lower(inputs_.target), names);
        error(fmt::format("'{}' has no stage '{}'", file_.file->path, printable(inputs_.target)),
              {},
              meant           ? fmt::format("the nearest stage is '{}'", *meant)
              : names.empty() ? "no stage has a name: use FROM … AS NAME"
                              : fmt::format("stages are {}", fmt::join(names, ", ")));
        return false;
    }

    void visit(std::size_t index, std::vector<Mark>& marks) {
        marks[index] = Mark::Open;
        for (const std::size_t need : graph_.stages[index].needs) {
            if (marks[need] == Mark::Open) {
                error(fmt::format("the stages '{}' and '{}' need each other",
                                  graph_.stages[need].label, graph_.stages[index].label),
                      file_.stages[index].from.where, "take one of the two COPY --from away");
            } else if (marks[need] == Mark::New) {
                visit(need, marks);
            }
        }
        marks[index] = Mark::Done;
    }

    const Dockerfile& file_;
    const GraphInputs& inputs_;
    Diagnostics& diagnostics_;
    BuildGraph graph_;
    bool failed_ = false;
};

}  // namespace

Origin find_origin(const Dockerfile& file, const std::set<std::string>& contexts,
                   const std::string& name) {
    for (std::size_t i = file.stages.size(); i-- > 0;)
        if (fmt::format("{}", i) == name || is_called(file.stages[i], name))
            return origin_of(file, i, contexts);
    if (contexts.contains(name)) return {.kind = Origin::Kind::Context, .stage = 0, .name = name};
    if (name == "scratch") return {};
    return {.kind = Origin::Kind::Image, .stage = 0, .name = name};
}

std::optional<BuildGraph> plan_build(const Dockerfile& file, const GraphInputs& inputs,
                                     Diagnostics& diagnostics) {
    return GraphMaker(file, inputs, diagnostics).make();
}

}  // namespace davit::builder
