#include "compose/model.h"
#include "compose/shape.h"

#include <fmt/format.h>

// What davit does with each attribute, see Support.
namespace davit::compose {
namespace {

/// Calls `visit` for each attribute in use whose support is `support`.
template <typename Visit>
void each_attribute(const Node& node, const Shape& shape, Support support, const Visit& visit) {
    if (node.is_list()) {
        for (const Node& item : node.items)
            each_attribute(item, shape_of_item(shape), support, visit);
        return;
    }
    for (const Node& entry : node.items) {
        const Attribute* row = find_attribute(shape, entry.key);
        if (row != nullptr && row->support == support && !entry.is_null())
            visit(entry, *row);
        else
            each_attribute(entry, shape_of_entry(shape, entry.key), support, visit);
    }
}

}  // namespace

void warn_of_ignored(const Node& model, Diagnostics& diagnostics) {
    each_attribute(model, kProjectShape, Support::Ignored,
                   [&](const Node& entry, const Attribute& row) {
                       diagnostics.warning(fmt::format("'{}' is ignored: {}", entry.key,
                                                       row.remark != nullptr ? row.remark : ""),
                                           entry.place(), "take it out, or leave it for others");
                   });
}

void refuse_unsupported(const Node& model, Diagnostics& diagnostics) {
    each_attribute(
        model, kProjectShape, Support::NotYet, [&](const Node& entry, const Attribute& row) {
            diagnostics.error(fmt::format("'{}' is not supported yet", entry.key),
                              entry.key_pos ? entry.key_pos : entry.pos,
                              row.remark != nullptr
                                  ? row.remark
                                  : "take it out for now; davit refuses what it can't carry out");
        });
}

}  // namespace davit::compose
