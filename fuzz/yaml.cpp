#include "compose/yaml_reader.h"
#include "fuzz/fuzz.h"

// The YAML reader: any bytes become trees or remarks, all of them with places in the file.
namespace davit::compose {
namespace {

using fuzz::require;

void check_place(const SourcePos& pos, const std::shared_ptr<const SourceFile>& file) {
    if (!pos) return;
    require(pos.file == file, "a place is in the file that was read");
    require(pos.column > 0 && pos.length > 0, "columns and lengths count from 1");
    require(pos.line <= file->text.size() + 1 && pos.column <= file->text.size() + 1,
            "a place is inside the file");
}

void check(const Node& node, const std::shared_ptr<const SourceFile>& file,
           const YamlLimits& limits, std::size_t depth) {
    require(depth <= limits.depth, "trees are as deep as the limit at most");
    check_place(node.pos, file);
    check_place(node.key_pos, file);
    require(!describe(node).empty(), "every value can be described");
    if (node.is_scalar()) {
        const ScalarType type = scalar_type(node);
        const Node again = plain_node(canonical_text(node), node);
        if (type == ScalarType::Integer || type == ScalarType::Boolean)
            require(canonical_text(again) == again.text, "canonical text stays as it is",
                    node.text + " -> " + again.text + " -> " + canonical_text(again));
    }
    for (const Node& item : node.items) check(item, file, limits, depth + 1);
}

}  // namespace
}  // namespace davit::compose

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace davit;  // NOLINT(google-build-using-namespace)
    const auto file = compose::make_source("compose.yaml", std::string(fuzz::as_text(data, size)));
    Diagnostics diagnostics;
    const compose::YamlLimits limits;
    const auto documents = compose::read_yaml(file, diagnostics, limits);
    fuzz::require(documents.has_value() || !diagnostics.ok(), "nothing read means an error");
    for (const Diagnostic& diagnostic : diagnostics.list()) {
        compose::check_place(diagnostic.where, file);
        fuzz::require(!render(diagnostic).empty(), "every remark can be printed");
    }
    if (!documents) return 0;
    for (const compose::Node& document : *documents) compose::check(document, file, limits, 0);
    return 0;
}
