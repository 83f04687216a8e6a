#include "base/file.h"
#include "compose/shape.h"
#include "tests/support/doc_table.h"

#include <cstdlib>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <string>
#include <utility>

namespace davit::compose {
namespace {

constexpr const char* kBegin = "<!-- attributes: begin -->\n";
constexpr const char* kEnd = "<!-- attributes: end -->\n";

/// The words of docs/compatibility.md.
const char* words(Support support) {
    switch (support) {
        case Support::Done: return "yes";
        case Support::Partly: return "partly";
        case Support::NotYet: return "not yet";
        case Support::Ignored: return "accepted with a warning";
    }
    return "?";
}

/// One row for each attribute below `shape`. What stands below one that is not carried out isn't
/// either.
void add_rows(const Shape& shape, const std::string& path, const Attribute* above,
              std::string& rows) {
    if (shape.form == Form::Table && shape.element != nullptr)
        return add_rows(*shape.element, path + ".*", above, rows);
    if (shape.form == Form::List && shape.element != nullptr)
        return add_rows(*shape.element, path + "[]", above, rows);
    for (const Attribute& attribute : shape.attributes) {
        const Attribute* judged = &attribute;
        if (above != nullptr &&
            (above->support == Support::NotYet || above->support == Support::Ignored))
            judged = above;
        const std::string inner =
            path.empty() ? std::string(attribute.name) : fmt::format("{}.{}", path, attribute.name);
        const bool own = judged == &attribute && attribute.remark != nullptr;
        rows += fmt::format("| `{}` | {} | {} |\n", inner, words(judged->support),
                            own ? attribute.remark : "");
        add_rows(*attribute.shape, inner, judged, rows);
    }
}

}  // namespace

/// DAVIT_UPDATE_GOLDEN=1 writes the table anew.
TEST_CASE("the table of attributes in docs/compatibility.md says what the shapes say") {
    std::string rows = "| attribute | carried out | instead, or why |\n|---|---|---|\n";
    add_rows(kProjectShape, "", nullptr, rows);
    davit::testing::check_doc_table(DAVIT_COMPATIBILITY_FILE, kBegin, kEnd, rows);
}

}  // namespace davit::compose
