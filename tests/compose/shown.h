#pragma once

#include "compose/model_output.h"
#include "tests/compose/support.h"

#include <algorithm>
#include <functional>

namespace davit::compose::testing {

/// A value in one line, keys sorted: {a: [x, "1"], b: null}. Strings that would read as something
/// else stand in quotes.
inline std::string brief(const Node& node) {
    std::string text;
    if (node.is_null()) return "null";
    if (node.is_scalar()) {
        Node plain = node;
        plain.is_string = false;
        const bool quoted = node.is_string && scalar_type(plain) != ScalarType::String;
        return quoted ? "\"" + node.text + "\"" : node.text;
    }
    std::vector<const Node*> items;
    for (const Node& item : node.items) items.push_back(&item);
    if (node.is_mapping())
        std::sort(items.begin(), items.end(),
                  [](const Node* one, const Node* other) { return one->key < other->key; });
    for (const Node* item : items) {
        if (!text.empty()) text += ", ";
        if (node.is_mapping()) text += item->key + ": ";
        text += brief(*item);
    }
    return node.is_list() ? "[" + text + "]" : "{" + text + "}";
}

/// A project as `davit config` has it: what can't be carried out yet is there too.
struct Shown {
    std::optional<LoadedProject> result = {};
    std::string remarks = {};
    std::string folder = {};

    const Node& model() const {
        REQUIRE_MESSAGE(result.has_value(), remarks);
        return result->model;
    }
    /// The value at "services.web.ports[0]" in one line, the project's folder written as ".".
    std::string at(const std::string& path) const {
        const Node* node = find_path(model(), path);
        return node == nullptr ? "absent" : without_folder(brief(*node));
    }
    std::string without_folder(std::string text) const {
        for (std::size_t i = text.find(folder); i != std::string::npos; i = text.find(folder, i))
            text.replace(i, folder.size(), ".");
        return text;
    }
};

inline Shown show_files(
    const std::map<std::string, std::string>& files,
    const std::function<void(LoadOptions&)>& change = [](LoadOptions&) {}) {
    const ScratchFolder folder;
    for (const auto& [name, text] : files) folder.write(name, text);
    LoadOptions options = folder.options();
    options.purpose = LoadOptions::Purpose::Show;
    change(options);
    Diagnostics diagnostics;
    Shown shown;
    shown.folder = folder.path();
    shown.result = load_project(options, diagnostics);
    shown.remarks = shown.without_folder(summary(diagnostics));
    return shown;
}

inline Shown show_text(const std::string& text) { return show_files({{"compose.yaml", text}}); }

}  // namespace davit::compose::testing
