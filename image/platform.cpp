#include "image/platform.h"

#include "base/strings.h"
#include "image/store_files.h"

#include <fmt/format.h>

namespace davit::image {
namespace {

/// arm64 and arm64/v8, amd64 and amd64/v1 are the same.
Platform normal(Platform platform) {
    if (platform.architecture == "x86_64" || platform.architecture == "x86-64")
        platform.architecture = "amd64";
    if (platform.architecture == "aarch64") platform.architecture = "arm64";
    if (platform.architecture == "armhf") platform = {platform.os, "arm", "v7"};
    if (platform.architecture == "armel") platform = {platform.os, "arm", "v6"};
    if (platform.architecture == "i386") platform.architecture = "386";
    const bool plain = (platform.architecture == "arm64" && platform.variant == "v8") ||
                       (platform.architecture == "amd64" && platform.variant == "v1");
    if (plain) platform.variant.clear();
    if (platform.architecture == "arm" && platform.variant.empty()) platform.variant = "v7";
    return platform;
}

/// What `wanted` runs, best first.
std::vector<Platform> candidates(const Platform& wanted) {
    std::vector<Platform> list = {wanted};
    const auto add_arm = [&](int from) {
        for (int version = from; version >= 5; --version)
            list.push_back({wanted.os, "arm", fmt::format("v{}", version)});
    };
    if (wanted.architecture == "arm64") add_arm(8);
    if (wanted.architecture == "arm" && wanted.variant.size() == 2)
        add_arm(wanted.variant[1] - '1');
    if (wanted.architecture == "amd64") {
        if (!wanted.variant.empty()) list.push_back({wanted.os, "amd64", ""});
        list.push_back({wanted.os, "386", ""});
    }
    return list;
}

}  // namespace

Result<Platform> parse_platform(std::string_view text) {
    Platform platform;
    platform.architecture = own_architecture();
    if (text.empty()) return normal(platform);
    const std::vector<std::string> parts = split(text, '/');
    for (const std::string& part : parts)
        if (part.empty() || parts.size() > 3)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' is no platform", printable(text)))
                .help("write os/architecture[/variant], such as linux/amd64 or linux/arm/v7");
    if (parts.size() == 1 && (parts[0] == "linux" || parts[0] == "windows"))
        platform.os = parts[0];
    else if (parts.size() == 1)
        platform.architecture = parts[0];
    else
        platform = {parts[0], parts[1], parts.size() > 2 ? parts[2] : ""};
    return normal(platform);
}

std::string to_string(const Platform& platform) {
    return fmt::format("{}/{}{}{}", platform.os, platform.architecture,
                       platform.variant.empty() ? "" : "/", platform.variant);
}

Result<Json> choose_manifest(const Json& index, const Platform& wanted) {
    struct Offer {
        Platform platform;
        const Json* descriptor;
        bool said;
    };
    std::vector<Offer> offers;
    std::string there;
    for (const Json& descriptor : index.at("manifests")) {
        if (!descriptor.is_object()) continue;
        const auto said = descriptor.find("platform");
        const bool has = said != descriptor.end() && said->is_object();
        Platform platform;
        if (has)
            platform = normal({string_or(*said, "os"), string_or(*said, "architecture"),
                               string_or(*said, "variant")});
        if (platform.os == "unknown") continue;  // provenance and the like
        const auto notes = descriptor.find("annotations");
        if (notes != descriptor.end() && notes->is_object() &&
            notes->contains("vnd.docker.reference.type"))
            continue;
        if (has) there += (there.empty() ? "" : ", ") + to_string(platform);
        offers.push_back({platform, &descriptor, has});
    }
    for (const Platform& candidate : candidates(wanted))
        for (const Offer& offer : offers)
            if (offer.said && offer.platform == candidate) return *offer.descriptor;
    if (offers.size() == 1 && !offers[0].said) return *offers[0].descriptor;
    return Error(ErrorKind::NotFound, fmt::format("there is no image for {}", to_string(wanted)))
        .help(there.empty() ? "the index names no platforms"
                            : "it is there for " + printable(there));
}

}  // namespace davit::image
