#pragma once

#include "base/json.h"
#include "base/result.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// The parts of a template. @source Go text/template/parse
namespace davit::cli {

struct TemplatePipeline;

/// One word of a command: a value, or the name of a function.
struct TemplateOperand {
    enum class Kind { Dot, Variable, Literal, Nil, Function, Group };
    Kind kind = Kind::Dot;
    std::string name = {};  ///< Of a variable, with its '$', or of a function.
    Json literal = {};
    std::unique_ptr<TemplatePipeline> group = {};  ///< What stands in parentheses.
    std::vector<std::string> fields = {};          ///< The ".A.B" after it, without dots.
    std::string text = {};                         ///< As it is written.
    std::size_t at = 0;                            ///< Where it begins in the template.
};

/// `index .A "b"`: a function or a value, and what it is called with.
struct TemplateCommand {
    std::vector<TemplateOperand> words = {};
    std::string text = {};  ///< As it is written.
};

/// Commands, each of which gets the value of the one before as its last argument.
struct TemplatePipeline {
    enum class Store { No, Declare, Assign };
    Store store = Store::No;
    std::vector<std::string> variables = {};  ///< `$x :=`; two of a range.
    std::vector<TemplateCommand> commands = {};
    std::size_t at = 0;
};

struct TemplateBranch;

/// Text, or an action.
struct TemplateNode {
    enum class Kind { Text, Print, If, With, Range, Break, Continue };
    Kind kind = Kind::Text;
    std::string text = {};
    TemplatePipeline pipeline = {};        ///< Of Print.
    std::vector<TemplateBranch> branches;  ///< Of If, With and Range, in their order.
    std::size_t at = 0;
};

/// What is done where a condition holds; `else` has none.
struct TemplateBranch {
    TemplatePipeline condition = {};
    bool is_else = false;
    std::vector<TemplateNode> body = {};
};

/// `error` with the place in `text` that it is about: "read the template, column 7: …".
Error at_place(Error error, std::string_view text, std::size_t at);

}  // namespace davit::cli
