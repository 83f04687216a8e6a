#pragma once

#include "base/diagnostic.h"
#include "builder/build.h"
#include "compose/loader.h"
#include "stack/build.h"
#include "stack/operations.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace davit::stack {

struct BuildServicesRequest {
    const compose::LoadedProject* loaded = nullptr;
    std::vector<std::string> services = {};  ///< Empty: all that are built.
    bool dependencies = false;               ///< Also the services that these depend on.
    bool only_missing = false;               ///< Only those whose image isn't in the store.
    bool no_cache = false;
    bool pull = false;                             ///< Base images are brought anew.
    std::map<std::string, std::string> args = {};  ///< Over those of the file.
    std::vector<std::string> ssh = {};             ///< As `--ssh` has them; over those of the file.
    std::optional<std::int64_t> source_date_epoch = {};
    std::function<void(const std::string& service, const builder::BuildEvent&)> on_event = {};
    std::function<bool()> cancelled = {};
    BringImage bring = {};
};

struct BuiltService {
    std::string service = {};
    std::string image = {};
    std::string image_id = {};
    std::vector<std::string> caches = {};  ///< Names of caches that are to be pushed.
};

/// What `build_services` would build, in order, without ids. Changes nothing.
/// @errors InvalidInput for mistakes of the file
Result<std::vector<BuiltService>> services_to_build(const Environment& environment,
                                                    const BuildServicesRequest& request);

/// Looks at the Dockerfiles of services as builder::check does, and builds nothing.
/// @errors as builder::check, naming the service
Result<void> check_builds(const Environment& environment, const BuildServicesRequest& request,
                          Diagnostics& diagnostics);

/// Builds the images of services, those that others need first. Mistakes of the file and of
/// Dockerfiles go to `diagnostics`. Returns what was built, in order.
/// @errors as builder::build, naming the service
Result<std::vector<BuiltService>> build_services(const Environment& environment,
                                                 const BuildServicesRequest& request,
                                                 Diagnostics& diagnostics);

}  // namespace davit::stack
