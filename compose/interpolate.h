#pragma once

#include "base/diagnostic.h"
#include "compose/document.h"

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace davit::compose {

/// Names and values, as in an environment. A name with an empty value is set.
using Variables = std::map<std::string, std::string>;

/// The value of a variable; nothing where it is not set.
using Lookup = std::function<std::optional<std::string>(const std::string& name)>;

/// Looks names up in `variables`, which must outlive the Lookup.
Lookup lookup_in(const Variables& variables);

/// Something wrong or odd about one variable reference.
struct InterpolationRemark {
    Severity severity = Severity::Error;
    std::string variable = {};  ///< Empty where the syntax is wrong.
    std::size_t offset = 0;     ///< In the text, of its '$'.
    std::size_t length = 1;
    std::string message = {};
    std::string help = {};
};

/// `text` with $NAME, ${NAME}, ${NAME:-x}, -, :?, ?, :+ and + replaced, operands too, to any depth;
/// `$$` is a dollar. A variable that is not set is replaced by nothing, with a warning.
/// @source Compose spec 12-interpolation.md; compose-go template
std::string interpolate(std::string_view text, const Lookup& lookup,
                        std::vector<InterpolationRemark>& remarks);

/// What texts say of a variable that they refer to. @source compose-go template.Variable
struct VariableUse {
    std::string default_value = {};  ///< Of ${NAME:-default}; the first one that is not empty.
    std::string alternate = {};      ///< Of ${NAME:+alternate}, likewise.
    bool required = false;           ///< ${NAME:?message} somewhere.

    bool operator==(const VariableUse&) const = default;
};

/// By the name of the variable.
using VariableUses = std::map<std::string, VariableUse>;

/// Adds the variables that `text` refers to, also those in defaults and the like.
void collect_variables(std::string_view text, VariableUses& uses);

/// Interpolates every scalar of a tree, keys not. Says each thing once, however often an anchored
/// value is repeated.
class TreeInterpolator {
public:
    TreeInterpolator(const Lookup& lookup, Diagnostics& diagnostics)
        : lookup_(lookup), diagnostics_(diagnostics) {}

    void run(Node& tree);

private:
    void remark(const Node& scalar, const InterpolationRemark& remark);

    const Lookup& lookup_;
    Diagnostics& diagnostics_;
    std::set<std::string> said_;
    std::size_t text_bytes_ = 0;  ///< Of the values that have been replaced.
};

}  // namespace davit::compose
