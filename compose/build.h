#pragma once

#include "base/diagnostic.h"
#include "compose/loader.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace davit::compose {

/// Where the content of a secret of a build is. One of the two is not empty.
struct BuildSecret {
    std::string file = {};                    ///< Absolute path.
    std::optional<std::string> content = {};  ///< Of a variable.
};

/// `build:` of a service, as the file says it. @source Compose spec build.md
struct Build {
    std::string service = {};
    std::string image = {};       ///< The name that the result gets.
    std::string context = {};     ///< Absolute folder, or an address.
    std::string dockerfile = {};  ///< Relative to the context, or absolute.
    std::string dockerfile_inline = {};
    std::string target = {};
    std::string network = {};  ///< Empty: the default.
    std::map<std::string, std::string> args = {};
    std::map<std::string, std::string> labels = {};
    std::vector<std::string> tags = {};
    std::vector<std::string> extra_hosts = {};  ///< "name=address"
    /// Absolute folder, "docker-image://…", or an address.
    std::map<std::string, std::string> contexts = {};
    std::vector<std::string> context_services = {};   ///< Built first: "service:NAME" of contexts.
    std::map<std::string, BuildSecret> secrets = {};  ///< By id.
    std::map<std::string, Ulimit> ulimits = {};
    std::vector<std::string> platforms = {};
    std::vector<std::string> ssh = {};  ///< "default", "ID", "ID=SOCKET", "ID=KEY,KEY".
    std::vector<std::string> cache_from = {};
    std::vector<std::string> cache_to = {};
    std::vector<std::string> entitlements = {};     ///< "network.host", "security.insecure"
    std::vector<std::string> no_cache_filter = {};  ///< Stages whose every step is carried out.
    std::int64_t shm_size_bytes = 0;
    bool no_cache = false;
    bool pull = false;
    bool privileged = false;
    SourcePos place = {};
};

/// Whether the service is built.
bool is_built(const LoadedProject& loaded, const std::string& service);

/// What the services of the project that are active say about being built, by service. Mistakes
/// that only show now go to `diagnostics`.
std::map<std::string, Build> find_builds(const LoadedProject& loaded, Diagnostics& diagnostics);

}  // namespace davit::compose
