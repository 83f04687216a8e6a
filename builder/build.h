#pragma once

#include "base/diagnostic.h"
#include "base/result.h"
#include "builder/cache_transfer.h"
#include "builder/output.h"
#include "builder/step_runner.h"
#include "image/store.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

/// Builds images from Dockerfiles.
namespace davit::builder {

/// Everything that decides what comes out.
struct BuildRequest {
    std::string context = {};  ///< Absolute folder.
    std::shared_ptr<const SourceFile> dockerfile = {};
    std::shared_ptr<const SourceFile> ignore_file = {};  ///< May be null.
    std::string target = {};                             ///< Stage; empty: the last.
    std::map<std::string, std::string> args = {};
    std::map<std::string, std::string> labels = {};
    std::vector<std::string> names = {};  ///< The image's; may be empty.
    bool no_cache = false;
    std::set<std::string> no_cache_stages =
        {};  ///< Small letters; every step of these is carried out.
    /// What a RUN may ask for beyond the usual: "network.host" for --network=host,
    /// "security.insecure" for --security=insecure. @source docker buildx build --allow
    std::set<std::string> entitlements = {};
    bool pull = false;                                ///< Base images are brought anew.
    std::string network = "default";                  ///< default, none or host
    std::map<std::string, std::string> secrets = {};  ///< Content, by id.
    std::map<std::string, std::string> ssh = {};      ///< Sockets of SSH agents, by id.
    /// Additional contexts: an absolute folder, "docker-image://NAME", or an address.
    std::map<std::string, std::string> contexts = {};
    std::vector<Output> outputs = {};  ///< Empty: an image of the store.
    std::vector<CachePlace> cache_from = {};
    std::vector<CachePlace> cache_to = {};
    RunLimits limits = {};
    std::optional<std::int64_t> source_date_epoch = {};  ///< Seconds; for equal bytes twice.
};

/// Something happened. Called from several threads, never from two at once.
struct BuildEvent {
    /// Cancelled: it was ended since another step had failed, or the user wanted it.
    enum class Kind : std::uint8_t { Begun, Cached, Output, Done, Failed, Cancelled };
    Kind kind = Kind::Begun;
    int number = 0;           ///< Of the step in this build, from 1, in the order of beginning.
    std::string step = {};    ///< "[build 2/5] RUN make"
    std::string output = {};  ///< Of a RUN, in pieces.
    double seconds = 0;       ///< Done: how long it took.
};

struct BuildHost {
    std::string data_root = {};
    StepRunner* runner = nullptr;
    /// The image of a FROM: found in the store, or brought there.
    std::function<Result<image::Image>(const std::string& name)> find_image = {};
    std::function<void(const BuildEvent&)> on_event = {};
    std::function<bool()> cancelled = {};
};

struct BuildResult {
    std::string image_id = {};  ///< 64 hex digits, also where the store does not get the image.
    int steps_run = 0;          ///< That were not in the cache.
    /// Names of caches (`--cache-to type=registry`) that are in the store now, to be pushed.
    std::vector<std::string> caches = {};
};

/// Builds. Mistakes of the Dockerfile go to `diagnostics`; then nothing was changed and the error
/// only says so.
/// @errors InvalidInput with the place in the Dockerfile, NotFound for a missing base image
Result<BuildResult> build(const BuildHost& host, const BuildRequest& request,
                          Diagnostics& diagnostics);

/// Reads the Dockerfile, and what is amiss with it goes to `diagnostics`: mistakes, and habits that
/// cost somebody an afternoon. Builds nothing. @errors InvalidInput where it can't be built
Result<void> check(const BuildRequest& request, Diagnostics& diagnostics);

/// `--allow` and `build.entitlements`. @errors InvalidInput for one that davit does not know
Result<std::set<std::string>> parse_entitlements(const std::vector<std::string>& words);

/// `--no-cache-filter` and `build.no_cache_filter`: names of stages, which may stand in one word
/// with commas between them.
std::set<std::string> stage_names(const std::vector<std::string>& words);

/// Reads the Dockerfile `path` as a source; "-" is standard input. @errors NotFound
Result<std::shared_ptr<const SourceFile>> read_source(const std::string& path);

/// The .dockerignore that goes with a Dockerfile: <Dockerfile>.dockerignore beside it, else the one
/// in the root of the context; null where there is none.
Result<std::shared_ptr<const SourceFile>> find_ignore_file(const std::string& dockerfile,
                                                           const std::string& context);

}  // namespace davit::builder
