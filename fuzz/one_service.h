#pragma once

#include "base/diagnostic.h"
#include "base/json.h"
#include "compose/canonical.h"
#include "compose/model_output.h"
#include "compose/yaml_reader.h"
#include "fuzz/fuzz.h"

#include <string>
#include <string_view>

/// A compose file made around one value, through the canonical form and back.
namespace davit::fuzz {

/// Any bytes as a YAML string; what is not UTF-8 is replaced.
inline std::string quoted(std::string_view text) {
    std::string out;
    for (const char c : Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)) {
        if (c == '\x7f')
            out += "\\x7f";  // which JSON lets stand as it is, and YAML doesn't
        else
            out += c;
    }
    return out;
}

inline std::string all_messages(const Diagnostics& diagnostics) {
    std::string text;
    for (const Diagnostic& diagnostic : diagnostics.list()) text += render(diagnostic);
    return text;
}

/// The canonical form of a file's only document; remarks go to `diagnostics`.
inline compose::Node canonical(const std::string& text, Diagnostics& diagnostics) {
    const auto documents =
        compose::read_yaml(compose::make_source("compose.yaml", text), diagnostics);
    require(documents.has_value() && documents->size() == 1, "the frame is YAML", text);
    compose::Node document = documents->front();
    const compose::Variables environment = {{"HOME", "/home/tester"}};
    compose::Canonicalizer canonicalizer({diagnostics, environment, "/srv/shop"});
    canonicalizer.walk(document, compose::kProjectShape, compose::NodePath{});
    return document;
}

/// Loads `lines` as those of a service; what is printed of it must load again to the same.
/// Returns the service, a null where it was refused.
inline compose::Node check_service(const std::string& lines) {
    const std::string text = "services:\n  web:\n    image: nginx\n" + lines;
    Diagnostics first;
    const compose::Node document = canonical(text, first);
    (void)all_messages(first);
    if (!first.ok()) return {};
    const std::string printed = compose::model_as_yaml(document, false);
    Diagnostics second;
    const compose::Node again = canonical(printed, second);
    require(second.ok(), "what is printed loads again", printed + all_messages(second));
    const std::string printed_again = compose::model_as_yaml(again, false);
    require(printed_again == printed, "it is printed the same way again",
            difference(printed, printed_again));
    return *document.find("services")->find("web");
}

}  // namespace davit::fuzz
