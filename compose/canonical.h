#pragma once

#include "base/diagnostic.h"
#include "compose/interpolate.h"
#include "compose/shape.h"

#include <functional>
#include <string>

namespace davit::compose {

/// What one document's values are read against.
struct CanonicalContext {
    Diagnostics& diagnostics;
    const Variables& environment;
    std::string directory = {};  ///< Absolute; relative paths stand below it.
    bool resolve_paths = true;
    bool interpolated = true;  ///< Else values with a '$' are left as they are.
};

/// Brings one document into canonical form: every short form written out, every value of the type
/// it is printed with, paths absolute. What is wrong is said, and stands as a refused null.
class Canonicalizer {
public:
    explicit Canonicalizer(CanonicalContext context) : context_(std::move(context)) {}

    void walk(Node& node, const Shape& shape, const NodePath& path);

    // For the rewrites of shapes.
    const CanonicalContext& context() const { return context_; }
    /// Whether the text must stay as it is: a variable that was not replaced.
    bool keeps(const Node& scalar) const;
    /// `path` as an absolute path; the same text where paths are not resolved.
    std::string host_path(const std::string& path, const Node& node);
    /// "'services.web.user' must be a string, found the number 5"; the value is gone then.
    bool refuse_type(Node& node, const NodePath& path, std::string_view expected,
                     std::string help = {});
    /// Any other remark about a value, which is gone then.
    bool refuse(Node& node, std::string message, std::string help = {});
    /// As refuse, the message after the path: "'services.web.ports[0]': …".
    bool refuse_value(Node& node, const NodePath& path, std::string_view problem,
                      std::string help = {});
    void warn(const Node& node, std::string message, std::string help = {});
    /// Counts ports that a range is about to become; false where that is more than a host has.
    bool count_ports(int count);

private:
    void scalar(Node& node, const Shape& shape, const NodePath& path);
    void string(Node& node, const Shape& shape, const NodePath& path);
    void boolean(Node& node, const Shape& shape, const NodePath& path);
    void number(Node& node, const Shape& shape, const NodePath& path);
    void bytes(Node& node, const Shape& shape, const NodePath& path);
    void duration(Node& node, const NodePath& path);
    void mode(Node& node, const Shape& shape, const NodePath& path);
    void mapping(Node& node, const Shape& shape, const NodePath& path);
    void table(Node& node, const Shape& shape, const NodePath& path);
    void list(Node& node, const Shape& shape, const NodePath& path);
    void unknown_key(Node& entry, const Shape& shape, const NodePath& path);

    CanonicalContext context_;
    int ports_ = 0;
};

/// Checks what can be judged only when all files are merged: keys without a value, missing keys,
/// repeated items. Names in `what` of a mapping's remarks come from its shape.
void check_complete(Node& document, Diagnostics& diagnostics);

/// Of items with the same identity keeps the last, in the place of the first.
void keep_last_of_each(Node& list, std::string (*identity)(const Node&));

/// What remarks call the mapping at `path`: "service 'web'", "the compose file", "'deploy'".
std::string name_of_mapping(const Shape& shape, const NodePath& path);

/// A duration as Go writes it: "1h0m0s", "1.5s", "250ms", "0s". @source Go time.Duration.String
std::string go_duration(std::int64_t nanoseconds);

}  // namespace davit::compose
