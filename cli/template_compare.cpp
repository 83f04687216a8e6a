#include "cli/template_compare.h"

#include "cli/template_print.h"

#include <compare>
#include <fmt/format.h>

namespace davit::cli {
namespace {

Error incomparable(const std::string& name, TemplateValue left, TemplateValue right) {
    return Error(ErrorKind::InvalidInput, fmt::format("{}: a {} and a {} can't be compared", name,
                                                      go_type(left), go_type(right)))
        .help("compare texts with texts (\"1\") and numbers with numbers (1)");
}

/// The order of two scalars of one type.
Result<std::partial_ordering> scalar_order(const std::string& name, TemplateValue left,
                                           TemplateValue right) {
    if (left->is_string() && right->is_string())
        return std::partial_ordering(left->get_ref<const std::string&>() <=>
                                     right->get_ref<const std::string&>());
    if (left->is_number_integer() && right->is_number_integer())
        return std::partial_ordering(left->get<std::int64_t>() <=> right->get<std::int64_t>());
    if (left->is_number() && right->is_number())
        return left->get<double>() <=> right->get<double>();
    return incomparable(name, left, right);
}

Result<bool> equal(const std::string& name, TemplateValue left, TemplateValue right) {
    const bool no_left = left == nullptr || left->is_null();
    const bool no_right = right == nullptr || right->is_null();
    if (no_left || no_right) return no_left && no_right;
    if (left->is_boolean() && right->is_boolean()) return *left == *right;
    const std::partial_ordering found = TRY(scalar_order(name, left, right));
    return found == std::partial_ordering::equivalent;
}

}  // namespace

Result<bool> compare_values(const std::string& name, const std::vector<TemplateValue>& values) {
    if (name == "ne") return !TRY(equal(name, values[0], values[1]));
    if (name == "eq") {
        for (std::size_t i = 1; i < values.size(); ++i)
            if (TRY(equal(name, values[0], values[i]))) return true;
        return false;
    }
    for (const TemplateValue value : values)
        if (value == nullptr || value->is_null()) return incomparable(name, values[0], values[1]);
    const std::partial_ordering found = TRY(scalar_order(name, values[0], values[1]));
    if (name == "lt") return std::is_lt(found);
    if (name == "le") return std::is_lteq(found);
    if (name == "gt") return std::is_gt(found);
    return std::is_gteq(found);
}

}  // namespace davit::cli
