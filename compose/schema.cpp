#include "compose/schema.h"

#include "base/strings.h"

#include <fmt/format.h>

namespace davit::compose {

bool expect_mapping(DecodeContext& context, const Field& field) {
    if (field.node.kind == NodeKind::Mapping) return true;
    context.error(fmt::format("'{}' must be a mapping, found {}", field.path, describe(field.node)),
                  field.node.place());
    return false;
}

bool expect_list(DecodeContext& context, const Field& field) {
    if (field.node.kind == NodeKind::Sequence) return true;
    context.error(fmt::format("'{}' must be a list, found {}", field.path, describe(field.node)),
                  field.node.place(), "write each item on a line of its own, after '- '");
    return false;
}

void remember_place(DecodeContext& context, const Field& field) {
    context.places.set(field.path, field.node.place());
}

void refuse_unsupported(DecodeContext& context, const Field& field, const char* cure) {
    context.error(
        fmt::format("'{}' is not supported yet", field.node.key), field.node.key_pos,
        cure != nullptr ? cure : "take it out for now; davit refuses what it can't carry out");
}

void refuse_unknown(DecodeContext& context, const Field& field, std::string_view what,
                    const std::vector<std::string>& known) {
    const std::string& key = field.node.key;
    const std::optional<std::string> meant = nearest(key, known);
    context.error(fmt::format("unknown key '{}' in {}", printable(key), what), field.node.key_pos,
                  meant ? fmt::format("the nearest key is '{}'", *meant)
                        : "take it out, or begin its name with 'x-' where it is an extension");
}

}  // namespace davit::compose
