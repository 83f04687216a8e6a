#include "compose/project_name.h"

#include "base/strings.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace davit::compose {
namespace {

constexpr std::size_t kLongestName = 100;  // room for "-service-1" in names of the host

/// A name that was given on purpose: taken as it is, or refused.
std::optional<std::string> checked(const std::string& name, std::string_view source,
                                   Diagnostics& diagnostics) {
    if (normalize_project_name(name) == name && name.size() <= kLongestName) return name;
    diagnostics.error(
        fmt::format("the project name '{}' of {} can't be used", printable(name), source), {},
        fmt::format("use small letters, digits, '-' and '_' only, a letter or digit "
                    "first, at most {}",
                    kLongestName));
    return std::nullopt;
}

const Node* last_name(const std::vector<std::vector<Node>>& files) {
    const Node* last = nullptr;
    for (const std::vector<Node>& documents : files) {
        for (const Node& document : documents)
            if (const Node* name = document.find("name")) last = name;
    }
    return last;
}

}  // namespace

std::string normalize_project_name(const std::string& name) {
    std::string normal;
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        const bool mark = c == '_' || c == '-';
        if (byte >= 0x80 || (std::isalnum(byte) == 0 && !mark) || (mark && normal.empty()))
            continue;
        normal += static_cast<char>(std::tolower(byte));
    }
    return normal;
}

std::optional<std::string> project_name(const LoadOptions& options, const Variables& environment,
                                        const std::vector<std::vector<Node>>& documents,
                                        const std::string& project_directory,
                                        Diagnostics& diagnostics) {
    if (!options.project_name.empty()) return checked(options.project_name, "-p", diagnostics);
    const auto given = environment.find("COMPOSE_PROJECT_NAME");
    if (given != environment.end() && !given->second.empty())
        return checked(given->second, "COMPOSE_PROJECT_NAME", diagnostics);

    const Node* node = last_name(documents);
    std::string source = project_directory.substr(project_directory.rfind('/') + 1);
    if (node != nullptr && node->kind == NodeKind::Scalar) {
        // Before the interpolation of everything else, which may use the name; remarks come then.
        std::vector<InterpolationRemark> remarks;
        source = interpolate(node->text, lookup_in(environment), remarks);
    }
    std::string name = normalize_project_name(source);
    if (!name.empty() && name.size() <= kLongestName) return name;
    diagnostics.error(fmt::format("'{}' gives no name for the project", printable(source)),
                      node != nullptr ? node->place() : SourcePos{},
                      "give one with -p, or with 'name:' in the file: letters and digits");
    return std::nullopt;
}

}  // namespace davit::compose
