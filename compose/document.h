#pragma once

#include "base/source.h"

#include <string>
#include <string_view>
#include <vector>

namespace davit::compose {

enum class NodeKind { Null, Scalar, Sequence, Mapping };

/// One value of a YAML document, with its place. Aliases and merge keys are resolved already.
///
/// An entry of a mapping is its value, which carries the key; so a tree is one type.
struct Node {
    NodeKind kind = NodeKind::Null;
    std::string text = {};   ///< Scalar: its text, unescaped.
    bool is_string = false;  ///< Scalar: quoted, a block, or interpolated; never a number or null.
    std::string tag = {};    ///< "!reset", "!override" or another of the user's; mostly empty.
    SourcePos pos = {};      ///< Of the value; for the value of an alias, where the alias stands.
    std::string key = {};    ///< In a mapping: the key that leads here.
    SourcePos key_pos = {};
    std::vector<Node> items = {};  ///< Of a sequence or a mapping, in the order of the file.
    /// A remark was made about it: null now, and nothing more is to be said about it.
    bool refused = false;

    /// The value at `name` of a mapping; nullptr where there is none.
    const Node* find(std::string_view name) const;
    Node* find(std::string_view name);

    /// What to underline in a remark about this value: the key for mappings and lists, whose own
    /// place is that of their first item.
    const SourcePos& place() const;

    bool is_null() const { return kind == NodeKind::Null; }
    bool is_scalar() const { return kind == NodeKind::Scalar; }
    bool is_list() const { return kind == NodeKind::Sequence; }
    bool is_mapping() const { return kind == NodeKind::Mapping; }

    /// Sets the entry `name` of a mapping to `value`, in the place of the one that is there.
    Node& put(std::string name, Node value);
    /// Takes the entry `name` out of a mapping; whether there was one.
    bool erase(std::string_view name);
    /// Makes this value another, and keeps the key and the tag it is known by.
    void become(Node value);
};

/// Values that stand in no file; `like` lends its place.
Node string_node(std::string text, const Node& like);
Node plain_node(std::string text, const Node& like);  ///< A number or a boolean.
Node mapping_node(const Node& like);
Node list_node(const Node& like);

/// What a plain scalar means.
enum class ScalarType { String, Null, Boolean, Integer, Float };

/// The type that Docker Compose sees in a scalar: YAML 1.2 core, and 010, 0o10, 0x10, 0b1 and 1_000
/// as whole numbers. `yes` and `on` are strings. @source go-yaml v3 resolve.go
ScalarType scalar_type(const Node& scalar);

/// The scalar as text, numbers written the way Docker Compose passes them on: 010 is "8", 1_000 is
/// "1000", 1.50 is "1.5", 1e10 is "1e+10".
std::string canonical_text(const Node& scalar);

/// A value in words, for remarks: "the number 80", "a list", "nothing".
std::string describe(const Node& node);

}  // namespace davit::compose
