#pragma once

#include "base/diagnostic.h"
#include "compose/document.h"
#include "compose/interpolate.h"
#include "compose/project.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

/// How a mapping of a Compose file becomes a struct: one table for each kind of mapping, one row
/// for each key that the Compose specification knows. A key that davit doesn't carry out yet has a
/// row without a decode function, and is refused; nothing is ignored in silence but `x-*`.
///
/// To add a key: a field in project.h, a decode function, its name in the row.
namespace davit::compose {

/// What decoding needs to know and where it leaves its remarks and places.
struct DecodeContext {
    Diagnostics& diagnostics;
    SourceMap& places;
    const Variables& environment;
    std::string project_directory;

    void error(std::string message, const SourcePos& where, std::string help = {}) {
        diagnostics.error(std::move(message), where, std::move(help));
    }
};

/// A value and what it is called: "services.web.ports[0]".
struct Field {
    const Node& node;
    std::string path;

    /// An entry of this mapping.
    Field entry(const Node& value) const {
        return {value, path.empty() ? value.key : path + "." + value.key};
    }
    /// An item of this list.
    Field item(std::size_t index) const {
        return {node.items[index], path + "[" + std::to_string(index) + "]"};
    }
};

/// One row: a key, and what takes its value over.
template <typename Target>
struct Key {
    const char* name;
    void (*decode)(DecodeContext&, const Field&, Target&);  ///< nullptr: not supported yet.
    const char* cure = nullptr;  ///< For one that isn't: what to do instead.
};

/// Whether the value is a mapping; says so where it isn't.
bool expect_mapping(DecodeContext& context, const Field& field);
/// Whether the value is a list; says so where it isn't.
bool expect_list(DecodeContext& context, const Field& field);

/// Notes where an entry stands, for errors that come up later.
void remember_place(DecodeContext& context, const Field& field);

void refuse_unsupported(DecodeContext& context, const Field& field, const char* cure);
void refuse_unknown(DecodeContext& context, const Field& field, std::string_view what,
                    const std::vector<std::string>& known);

/// Decodes a mapping by its table. `what` names it in remarks: "service 'web'".
template <typename Target>
void decode_mapping(DecodeContext& context, const Field& field, std::string_view what,
                    std::span<const Key<Target>> keys, Target& target) {
    if (!expect_mapping(context, field)) return;
    for (const Node& value : field.node.items) {
        const Field entry = field.entry(value);
        const Key<Target>* row = nullptr;
        for (const Key<Target>& key : keys) {
            if (value.key == key.name) row = &key;
        }
        remember_place(context, entry);
        if (row != nullptr && row->decode != nullptr) {
            row->decode(context, entry, target);
        } else if (row != nullptr) {
            refuse_unsupported(context, entry, row->cure);
        } else if (!value.key.starts_with("x-")) {
            std::vector<std::string> known;
            for (const Key<Target>& key : keys) known.emplace_back(key.name);
            refuse_unknown(context, entry, what, known);
        }
    }
}

}  // namespace davit::compose
