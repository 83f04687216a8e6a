#include "cli/template_eval.h"

#include "base/strings.h"
#include "cli/template_functions.h"
#include "cli/template_print.h"

#include <algorithm>
#include <fmt/format.h>

// Walks over the tree. Values are pointers into the data, or into the store of what functions made,
// so that nothing large is copied.
namespace davit::cli {
namespace {

using OperandKind = TemplateOperand::Kind;

constexpr std::size_t kMostSteps = 1'000'000;
constexpr std::size_t kMostOutput = 16U << 20U;

/// How a list of nodes ends: at its end, or because of {{break}} or {{continue}}.
enum class TemplateFlow { Next, Break, Continue };

class TemplateEvaluator {
public:
    TemplateEvaluator(std::string_view text, const Json& root, const TemplateOptions& options,
                      std::string& out)
        : text_(text), root_(root), options_(options), out_(out) {
        variables_.emplace_back("$", &root);
    }

    Result<TemplateFlow> walk(const std::vector<TemplateNode>& nodes, TemplateValue dot);

private:
    Error refused(std::size_t at, const std::string& why, const std::string& help = {}) const {
        return at_place(Error(ErrorKind::InvalidInput, why).help(help), text_, at);
    }
    Result<void> step(std::size_t at);
    Result<void> write(std::string_view text, std::size_t at);
    Result<void> print(const TemplateNode& node, TemplateValue dot);
    Result<TemplateFlow> choose(const TemplateNode& node, TemplateValue dot);
    Result<TemplateFlow> loop(const TemplateNode& node, TemplateValue dot);
    Result<TemplateFlow> turns(const TemplateBranch& branch, TemplateValue items, bool& any);
    Result<bool> turn(const TemplateBranch& branch, TemplateValue key, TemplateValue item,
                      TemplateFlow& flow);
    Result<TemplateValue> value_of(const TemplatePipeline& pipeline, TemplateValue dot,
                                   bool of_range = false);
    Result<TemplateValue> run(const TemplateCommand& command, TemplateValue dot,
                              const TemplateCommand* before, TemplateValue piped);
    Result<TemplateValue> call(const TemplateCommand& command, TemplateValue dot,
                               const TemplateCommand* before, TemplateValue piped);
    Result<TemplateValue> logic(const TemplateCommand& command, TemplateValue dot,
                                const TemplateCommand* before, TemplateValue piped);
    Result<TemplateValue> method(const TemplateOperand& operand, TemplateValue dot,
                                 const std::vector<TemplateValue>& arguments);
    Result<TemplateValue> base(const TemplateOperand& operand, TemplateValue dot);
    Result<TemplateValue> operand(const TemplateOperand& operand, TemplateValue dot,
                                  std::size_t fields);
    Result<TemplateValue> operand(const TemplateOperand& one, TemplateValue dot) {
        return operand(one, dot, one.fields.size());
    }
    Result<TemplateValue> field(const TemplateOperand& operand, TemplateValue value,
                                std::size_t i) const;
    /// What stands before the field `i` of an operand, as it is written: ".State".
    static std::string before_field(const TemplateOperand& operand, std::size_t i);
    void assign(const std::string& name, TemplateValue value);

    std::string_view text_;
    const Json& root_;
    const TemplateOptions& options_;
    std::string& out_;
    TemplateStore store_ = {};
    std::vector<std::pair<std::string, TemplateValue>> variables_ = {};
    std::size_t steps_ = 0;
};

/// Counts what is done: ranges within ranges must not take for ever, nor all memory.
Result<void> TemplateEvaluator::step(std::size_t at) {
    if (++steps_ > kMostSteps)
        return refused(at, fmt::format("the template takes more than {} steps", kMostSteps));
    if (store_.full()) return refused(at, "the template's values take too much memory");
    return {};
}

Result<void> TemplateEvaluator::write(std::string_view text, std::size_t at) {
    if (out_.size() + text.size() > kMostOutput)
        return refused(at, fmt::format("the text is longer than {} MiB", kMostOutput >> 20U));
    out_ += text;
    return {};
}

Result<TemplateFlow> TemplateEvaluator::walk(const std::vector<TemplateNode>& nodes,
                                             TemplateValue dot) {
    for (const TemplateNode& node : nodes) {
        TRY(step(node.at));
        TemplateFlow flow = TemplateFlow::Next;
        switch (node.kind) {
            case TemplateNode::Kind::Text: TRY(write(node.text, node.at)); break;
            case TemplateNode::Kind::Print: TRY(print(node, dot)); break;
            case TemplateNode::Kind::If:
            case TemplateNode::Kind::With: flow = TRY(choose(node, dot)); break;
            case TemplateNode::Kind::Range: flow = TRY(loop(node, dot)); break;
            case TemplateNode::Kind::Break: return TemplateFlow::Break;
            case TemplateNode::Kind::Continue: return TemplateFlow::Continue;
        }
        if (flow != TemplateFlow::Next) return flow;
    }
    return TemplateFlow::Next;
}

Result<void> TemplateEvaluator::print(const TemplateNode& node, TemplateValue dot) {
    const TemplateValue value = TRY(value_of(node.pipeline, dot));
    if (node.pipeline.store != TemplatePipeline::Store::No) return {};
    if (value == nullptr || value->is_null()) return write("<no value>", node.at);
    return write(go_text(value), node.at);
}

Result<TemplateFlow> TemplateEvaluator::choose(const TemplateNode& node, TemplateValue dot) {
    const std::size_t known = variables_.size();
    TemplateFlow flow = TemplateFlow::Next;
    for (const TemplateBranch& branch : node.branches) {
        const TemplateValue value = branch.is_else ? nullptr : TRY(value_of(branch.condition, dot));
        if (!branch.is_else && !is_true(value)) continue;
        const bool moves = node.kind == TemplateNode::Kind::With && !branch.is_else;
        flow = TRY(walk(branch.body, moves ? value : dot));
        break;
    }
    variables_.resize(known);
    return flow;
}

Result<TemplateFlow> TemplateEvaluator::loop(const TemplateNode& node, TemplateValue dot) {
    const std::size_t known = variables_.size();
    const TemplateBranch& branch = node.branches.front();
    const TemplateValue items = TRY(value_of(branch.condition, dot, true));
    bool any = false;
    TemplateFlow flow = TRY(turns(branch, items, any));
    variables_.resize(known);
    if (!any && node.branches.size() > 1) flow = TRY(walk(node.branches[1].body, dot));
    return flow;
}

/// All turns of a range; maps are walked in the order of their keys, as Go does it.
Result<TemplateFlow> TemplateEvaluator::turns(const TemplateBranch& branch, TemplateValue items,
                                              bool& any) {
    TemplateFlow flow = TemplateFlow::Next;
    if (items == nullptr || items->is_null()) return flow;
    if (items->is_object()) {
        for (const auto& [key, item] : sorted_entries(*items)) {
            any = true;
            if (!TRY(turn(branch, store_.keep(key), item, flow))) break;
        }
    } else if (items->is_array()) {
        std::size_t i = 0;
        for (const Json& item : *items) {
            any = true;
            if (!TRY(turn(branch, store_.keep(i++), &item, flow))) break;
        }
    } else if (items->is_number_integer()) {
        const auto count = items->get<std::int64_t>();
        for (std::int64_t i = 0; i < count; ++i) {
            any = true;
            const TemplateValue number = store_.keep(i);
            if (!TRY(turn(branch, number, number, flow))) break;
        }
    } else {
        return refused(branch.condition.at,
                       fmt::format("a range can't walk over a {}", go_type(items)),
                       "it walks over lists, maps and numbers");
    }
    return flow;
}

/// One turn of a range. False where the range is over.
Result<bool> TemplateEvaluator::turn(const TemplateBranch& branch, TemplateValue key,
                                     TemplateValue item, TemplateFlow& flow) {
    const TemplatePipeline& condition = branch.condition;
    TRY(step(condition.at));
    const std::size_t known = variables_.size();
    const auto& names = condition.variables;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const TemplateValue value = i + 1 == names.size() ? item : key;
        if (condition.store == TemplatePipeline::Store::Assign)
            assign(names[i], value);
        else
            variables_.emplace_back(names[i], value);
    }
    const TemplateFlow ended = TRY(walk(branch.body, item));
    variables_.resize(known);
    flow = TemplateFlow::Next;  // break and continue are about this range
    return ended != TemplateFlow::Break;
}

/// A pipeline's value, which goes to its variables, too; a range sets them in each turn.
Result<TemplateValue> TemplateEvaluator::value_of(const TemplatePipeline& pipeline,
                                                  TemplateValue dot, bool of_range) {
    TemplateValue value = nullptr;
    const TemplateCommand* before = nullptr;
    for (const TemplateCommand& command : pipeline.commands) {
        TRY(step(pipeline.at));
        value = TRY(run(command, dot, before, value));
        before = &command;
    }
    if (of_range || pipeline.store == TemplatePipeline::Store::No) return value;
    if (pipeline.store == TemplatePipeline::Store::Declare)
        variables_.emplace_back(pipeline.variables.front(), value);
    else
        assign(pipeline.variables.front(), value);
    return value;
}

void TemplateEvaluator::assign(const std::string& name, TemplateValue value) {
    const auto found = std::find_if(variables_.rbegin(), variables_.rend(),
                                    [&](const auto& known) { return known.first == name; });
    if (found != variables_.rend()) found->second = value;
}

/// `before` is the command that `piped` came from, if there is one.
Result<TemplateValue> TemplateEvaluator::run(const TemplateCommand& command, TemplateValue dot,
                                             const TemplateCommand* before, TemplateValue piped) {
    const TemplateOperand& first = command.words.front();
    if (first.kind == OperandKind::Function) {
        const bool logical = first.name == "and" || first.name == "or";
        return logical ? logic(command, dot, before, piped) : call(command, dot, before, piped);
    }
    if (!first.fields.empty() && first.fields.back() == "Label" && options_.label) {
        std::vector<TemplateValue> arguments;
        for (std::size_t i = 1; i < command.words.size(); ++i)
            arguments.push_back(TRY(operand(command.words[i], dot)));
        if (before != nullptr) arguments.push_back(piped);
        return method(first, dot, arguments);
    }
    if (command.words.size() > 1 || before != nullptr)
        return refused(first.at, fmt::format("'{}' is no function and takes no values", first.text),
                       "name a function before it, such as print or index");
    if (first.kind == OperandKind::Nil) return refused(first.at, "'nil' alone is no value");
    return operand(first, dot);
}

/// `.Label "name"` of the whole value.
Result<TemplateValue> TemplateEvaluator::method(const TemplateOperand& operand, TemplateValue dot,
                                                const std::vector<TemplateValue>& arguments) {
    const TemplateValue of = TRY(this->operand(operand, dot, operand.fields.size() - 1));
    if (of != &root_) return field(operand, of, operand.fields.size() - 1);
    if (arguments.size() != 1 || arguments[0] == nullptr || !arguments[0]->is_string())
        return refused(operand.at, fmt::format("'{}' takes the name of one label", operand.text),
                       "write it as {{.Label \"com.docker.compose.project\"}}");
    return store_.keep(options_.label(arguments[0]->get<std::string>()));
}

Result<TemplateValue> TemplateEvaluator::call(const TemplateCommand& command, TemplateValue dot,
                                              const TemplateCommand* before, TemplateValue piped) {
    TemplateCall made;
    made.name = command.words.front().name;
    made.store = &store_;
    made.of_header = options_.of_header;
    for (std::size_t i = 1; i < command.words.size(); ++i) {
        made.arguments.push_back(TRY(operand(command.words[i], dot)));
        made.texts.push_back(command.words[i].text);
    }
    if (before != nullptr) {
        made.arguments.push_back(piped);
        made.texts.push_back(before->text);
    }
    Result<TemplateValue> answer = call_template_function(made);
    if (!answer) return at_place(answer.error(), text_, command.words.front().at);
    return answer;
}

/// `and` and `or` look at no more values than they need.
Result<TemplateValue> TemplateEvaluator::logic(const TemplateCommand& command, TemplateValue dot,
                                               const TemplateCommand* before, TemplateValue piped) {
    const TemplateOperand& name = command.words.front();
    const bool stops_at = name.name == "or";
    if (command.words.size() == 1 && before == nullptr)
        return refused(name.at, fmt::format("{}: there is nothing to look at", name.name));
    TemplateValue value = nullptr;
    for (std::size_t i = 1; i < command.words.size(); ++i) {
        value = TRY(operand(command.words[i], dot));
        if (is_true(value) == stops_at) return value;
    }
    return before != nullptr ? piped : value;
}

Result<TemplateValue> TemplateEvaluator::base(const TemplateOperand& operand, TemplateValue dot) {
    switch (operand.kind) {
        case OperandKind::Dot: return dot;
        case OperandKind::Literal: return &operand.literal;
        case OperandKind::Nil: return nullptr;
        case OperandKind::Group: return value_of(*operand.group, dot);
        case OperandKind::Variable: {
            const auto found =
                std::find_if(variables_.rbegin(), variables_.rend(),
                             [&](const auto& known) { return known.first == operand.name; });
            return found == variables_.rend() ? nullptr : found->second;
        }
        case OperandKind::Function: {
            TemplateCall made;  // a function as an argument is called with nothing
            made.name = operand.name;
            made.store = &store_;
            Result<TemplateValue> answer = call_template_function(made);
            if (!answer) return at_place(answer.error(), text_, operand.at);
            return answer;
        }
    }
    return nullptr;
}

/// An operand with the first `fields` of its fields.
Result<TemplateValue> TemplateEvaluator::operand(const TemplateOperand& operand, TemplateValue dot,
                                                 std::size_t fields) {
    TRY(step(operand.at));
    TemplateValue value = TRY(base(operand, dot));
    for (std::size_t i = 0; i < fields; ++i) value = TRY(field(operand, value, i));
    return value;
}

std::string TemplateEvaluator::before_field(const TemplateOperand& operand, std::size_t i) {
    std::string rest;
    for (std::size_t k = i; k < operand.fields.size(); ++k) rest += "." + operand.fields[k];
    std::string text = operand.text;
    if (text.ends_with(rest)) text.resize(text.size() - rest.size());
    return text.empty() ? "." : text;
}

/// The field `i` of an operand. A field of null is null, as in Go's maps of interfaces.
Result<TemplateValue> TemplateEvaluator::field(const TemplateOperand& operand, TemplateValue value,
                                               std::size_t i) const {
    const std::string& name = operand.fields[i];
    if (value == nullptr) {
        if (options_.of_header) return nullptr;
        const std::string before = before_field(operand, i);
        return refused(operand.at, fmt::format("'{}' is not there, nor its '{}'", before, name),
                       fmt::format("ask for it first: {{{{if {}}}}}…{{{{end}}}}", before));
    }
    if (value->is_null()) return value;
    if (!value->is_object())
        return refused(operand.at, fmt::format("'{}' has no fields, so there is no '{}'",
                                               before_field(operand, i), name));
    const auto found = value->find(name);
    if (found != value->end()) return &*found;
    if (options_.of_header) return nullptr;
    const auto optional = options_.optional_fields.find(name);
    if (optional != options_.optional_fields.end())
        return optional->second.is_null() ? nullptr : &optional->second;
    std::vector<std::string> names;
    for (const auto& [key, item] : value->items()) names.push_back(key);
    const auto near = nearest(name, names);
    return refused(operand.at,
                   fmt::format("'{}' has no field '{}'", before_field(operand, i), name),
                   near ? fmt::format("the nearest field is '{}'", *near) : "");
}

}  // namespace

Result<void> run_template(const std::vector<TemplateNode>& nodes, std::string_view text,
                          const Json& root, const TemplateOptions& options, std::string& out) {
    TRY(TemplateEvaluator(text, root, options, out).walk(nodes, &root));
    return {};
}

}  // namespace davit::cli
