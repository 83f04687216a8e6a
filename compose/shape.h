#pragma once

#include "compose/document.h"

#include <limits>
#include <span>
#include <string>
#include <string_view>

/// What the Compose specification knows, as data: one Shape for each kind of value, one Attribute
/// for each key. Checking, merging, printing and the table in docs/compatibility.md all read it.
///
/// To add a key: one row in the table of its mapping (shapes_*.cpp), one in docs/compatibility.md,
/// and, where davit carries it out, a field in project.h with its line in bind_*.cpp.
namespace davit::compose {

struct Shape;
class Canonicalizer;

/// The way from the root to a value. Lives on the stack of whoever walks the tree.
struct NodePath {
    static constexpr std::size_t kNoIndex = std::numeric_limits<std::size_t>::max();

    const NodePath* parent = nullptr;
    std::string_view key = {};
    std::size_t index = kNoIndex;

    NodePath entry(std::string_view name) const { return {this, name, kNoIndex}; }
    NodePath item(std::size_t at) const { return {this, {}, at}; }
    /// "services.web.ports[0]"
    std::string text() const;
};

/// What davit does with an attribute.
enum class Support {
    Done,     ///< Carried out.
    Partly,   ///< Some of its values are carried out, the others are refused where they are bound.
    NotYet,   ///< Accepted by `config`, refused before anything is started.
    Ignored,  ///< Accepted, with a warning: it means nothing on one Linux host without a daemon.
};

/// One key of a mapping.
struct Attribute {
    const char* name;
    const Shape* shape;
    Support support = Support::Done;
    const char* remark = nullptr;  ///< NotYet: the cure. Ignored: why.
    bool required = false;
    bool hidden = false;  ///< Not printed in JSON, as Docker Compose doesn't.
    bool always = false;  ///< Printed by `config` also where it is absent, as Docker Compose does.
};

enum class Form {
    Any,       ///< Left as it stands.
    String,    ///< Text; with `numbers`, `booleans` also those, written as text.
    Boolean,   ///< true or false, also as a string.
    Integer,   ///< A whole number, also as a string.
    Number,    ///< Any number, also as a string.
    Bytes,     ///< A size; becomes the string of its bytes.
    Duration,  ///< Becomes what Go would print: "1m30s".
    Mode,      ///< A file mode; becomes the string of its octal digits.
    List,
    Mapping,  ///< Keys of `attributes`.
    Table,    ///< Keys of the user, values of `element`.
};

/// How two values of an attribute are merged. @source Compose spec 13-merge.md
enum class Merge {
    ByForm,      ///< Mappings key by key, lists appended, single values replaced.
    Replace,     ///< The later one stands, also where it is null.
    SameDriver,  ///< Key by key, but another `driver` replaces the whole.
    SameItem,    ///< List: items with the same identity are merged key by key.
};

/// What a value may be.
struct Shape {
    Form form = Form::Any;
    std::span<const Attribute> attributes = {};  ///< Of a Mapping.
    const Shape* element = nullptr;              ///< Of a List or a Table.
    /// Writes a short form out, and resolves paths, before the form is checked. False where the
    /// value was refused.
    bool (*rewrite)(Canonicalizer&, Node&, const NodePath&) = nullptr;
    /// List: what makes two items the same one; the later takes the place of the earlier.
    std::string (*identity)(const Node&) = nullptr;
    Merge merge = Merge::ByForm;
    const char* what = nullptr;      ///< For remarks: "service" for services.*.
    const char* expected = nullptr;  ///< For remarks, where the form's own words are not enough.
    std::span<const char* const> words = {};  ///< String: the ones there are.
    double least = std::numeric_limits<double>::lowest();
    double most = std::numeric_limits<double>::max();
    bool nullable = false;       ///< A key without a value is fine.
    bool numbers = false;        ///< String: a number will do.
    bool booleans = false;       ///< String: true and false will do.
    bool truncated = false;      ///< Integer: a fraction is cut off, as Docker Compose does.
    bool strings_only = false;   ///< Bytes, Boolean: no YAML number, no string instead.
    bool unique = false;         ///< List: the same item twice is refused.
    bool keep_empty = false;     ///< Printed by `config` even where it is false, 0 or empty.
    bool null_is_empty = false;  ///< Printed as "" where it is null.
    bool sorted = false;         ///< List: printed in the order of the text.
    bool decimal = false;        ///< Mode: printed as a number, as Docker Compose does.
    bool negative = false;       ///< Bytes: -1 is fine, and means no limit.
    bool capitals = false;       ///< Mapping: `config --format json` capitalises its keys.
    bool open = false;           ///< Mapping: other keys are let through in silence.
    bool table_names = false;    ///< Table: keys must be names of resources.
};

/// The whole file. @source Compose spec, compose-spec.json
extern const Shape kProjectShape;
extern const Shape kServiceShape;

/// The row of `key` in a Mapping; nullptr where it has none.
const Attribute* find_attribute(const Shape& shape, std::string_view key);

/// The shape of the value at `key` of a Mapping or Table; Any where it has none.
const Shape& shape_of_entry(const Shape& shape, std::string_view key);
/// The shape of the items of a List.
const Shape& shape_of_item(const Shape& shape);

}  // namespace davit::compose
