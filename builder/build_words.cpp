#include "base/strings.h"
#include "builder/build.h"

#include <fmt/format.h>

// What users write about a build in one word, as the builder needs it.
namespace davit::builder {

Result<std::set<std::string>> parse_entitlements(const std::vector<std::string>& words) {
    static const std::vector<std::string> kKnown = {"network.host", "security.insecure"};
    std::set<std::string> known;
    for (const std::string& word : words) {
        for (const std::string& one : split(word, ',')) {
            // What docker has beyond these allows what davit does not do.
            if (one == "device" || one.starts_with("device=") || one.starts_with("fs"))
                return Error(ErrorKind::Unsupported,
                             fmt::format("the entitlement '{}' is not supported", printable(one)))
                    .help("davit knows network.host and security.insecure");
            if (one != kKnown[0] && one != kKnown[1]) {
                const auto near = nearest(one, kKnown);
                return Error(ErrorKind::InvalidInput,
                             fmt::format("there is no entitlement '{}'", printable(one)))
                    .help(near ? fmt::format("the nearest is '{}'", *near)
                               : "davit knows network.host and security.insecure");
            }
            known.insert(one);
        }
    }
    return known;
}

std::set<std::string> stage_names(const std::vector<std::string>& words) {
    std::set<std::string> names;
    for (const std::string& word : words)
        for (const std::string& name : split(word, ',')) names.insert(lowered(name));
    return names;
}

}  // namespace davit::builder
