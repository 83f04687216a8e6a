#include "builder/build.h"

#include "base/digest.h"
#include "base/duration.h"
#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "builder/stage_builder.h"
#include "image/reference.h"
#include "image/staging.h"
#include "image/store_files.h"

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <fmt/format.h>
#include <future>
#include <thread>
#include <unistd.h>

namespace davit::builder {
namespace {

constexpr std::size_t kLargestFile = 16U << 20U;

std::vector<std::string> names_of(const BuildRequest& request) {
    std::vector<std::string> names = request.names;
    for (const Output& output : request.outputs)
        names.insert(names.end(), output.names.begin(), output.names.end());
    return names;
}

/// Stages side by side, each in a thread of its own. Those that the target needs begin at once; one
/// that a trigger of a base image asks for, which nobody could know of before, begins then.
class StageRunner {
public:
    explicit StageRunner(BuildShared& shared) : shared_(shared) {
        shared.stage_state = [this](std::size_t asking, std::size_t stage) {
            return await(asking, stage);
        };
    }

    Result<ImageState> run() {
        {
            const std::lock_guard lock(mutex_);
            for (const std::size_t stage : shared_.graph->order) begin(stage);
        }
        // Whoever begins one is itself not at its end.
        for (std::size_t i = 0;; ++i) {
            std::thread thread;
            {
                const std::lock_guard lock(mutex_);
                if (i == threads_.size()) break;
                thread = std::move(threads_[i]);
            }
            thread.join();
        }
        if (failure_) return *failure_;
        return stages_.at(shared_.graph->target).get();
    }

private:
    using Future = std::shared_future<Result<ImageState>>;

    /// Call with the lock held.
    const Future& begin(std::size_t stage) {
        if (const auto known = stages_.find(stage); known != stages_.end()) return known->second;
        std::promise<Result<ImageState>> promise;
        const Future& future = stages_.emplace(stage, promise.get_future().share()).first->second;
        threads_.emplace_back([this, stage, promise = std::move(promise)]() mutable {
            Result<ImageState> state = StageBuilder(shared_, stage).build();
            if (!state) note(state.error());
            promise.set_value(std::move(state));
        });
        return future;
    }

    /// The first error is the build's: others come of it.
    void note(const Error& error) {
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = error;
        shared_.failed = true;
    }

    Result<ImageState> await(std::size_t asking, std::size_t stage) {
        Future future;
        {
            const std::lock_guard lock(mutex_);
            for (auto next = stage;;) {
                if (next == asking) return circle(asking, stage);
                const auto waits = waits_for_.find(next);
                if (waits == waits_for_.end()) break;
                next = waits->second;
            }
            future = begin(stage);
            waits_for_[asking] = stage;
        }
        const Result<ImageState>& state = future.get();
        const std::lock_guard lock(mutex_);
        waits_for_.erase(asking);
        return state;
    }

    Error circle(std::size_t asking, std::size_t stage) const {
        const auto& stages = shared_.graph->stages;
        return Error(ErrorKind::InvalidInput,
                     fmt::format("the stage '{}' needs '{}', which needs it", stages[asking].label,
                                 stages[stage].label))
            .help("see what the base image has for ONBUILD: davit image inspect");
    }

    BuildShared& shared_;
    std::mutex mutex_;  ///< Guards what follows.
    std::map<std::size_t, Future> stages_ = {};
    std::vector<std::thread> threads_ = {};
    std::map<std::size_t, std::size_t> waits_for_ = {};
    std::optional<Error> failure_ = {};
};

/// Steps whose layers the image has, or all of them.
StepRecords steps_for(const StepRecords& all, const ImageState& state, bool every) {
    if (every) return all;
    const std::set<std::string> own(state.diff_ids.begin(), state.diff_ids.end());
    StepRecords steps;
    for (const auto& [key, record] : all)
        if (record.diff_id.empty() || own.contains(record.diff_id)) steps.emplace(key, record);
    return steps;
}

/// `--cache-to type=inline`, and how it is said to docker build without buildx.
bool wants_inline_cache(const BuildRequest& request) {
    const auto argument = request.args.find("BUILDKIT_INLINE_CACHE");
    return (argument != request.args.end() && argument->second == "1") ||
           std::any_of(request.cache_to.begin(), request.cache_to.end(),
                       [](const auto& place) { return place.kind == CachePlace::Kind::Inline; });
}

Json finished_config(const BuildShared& shared, const ImageState& state) {
    const BuildRequest& request = *shared.request;
    Json config = state.config;
    config.erase(kStepsKey);  // of the base image
    if (wants_inline_cache(request))
        config[kStepsKey] = steps_as_json(steps_for(shared.records, state, false));
    for (const auto& [name, value] : request.labels) config["config"]["Labels"][name] = value;
    Json ids = Json::array();
    for (const std::string& id : state.diff_ids) ids.push_back("sha256:" + id);
    config["rootfs"] = {{"type", "layers"}, {"diff_ids", std::move(ids)}};
    config["history"] = state.history;
    return config;
}

Result<image::StagedImage> finished_image(const BuildShared& shared, const ImageState& state) {
    const LayerCache& cache = shared.cache;
    const BuildRequest& request = *shared.request;
    image::StagedImage staged;
    std::vector<image::Blob> blobs;
    for (const std::string& id : state.diff_ids) {
        const auto blob = image::blob_of_layer(cache.data_root(), id);
        if (!blob)
            return Error(ErrorKind::NotFound,
                         fmt::format("layer sha256:{} was removed while the build ran", id))
                .help("build again");
        blobs.push_back(*blob);
        staged.layers.push_back({id, "", *blob, ""});
    }
    for (const std::string& name : names_of(request)) {
        const image::Reference reference = TRY(image::parse_reference(name));
        staged.names.push_back(image::canonical(reference));
    }
    const Json config = finished_config(shared, state);
    staged.config = config.dump(-1, ' ', false, Json::error_handler_t::replace);
    staged.manifest = image::make_manifest(staged.config, blobs);
    return staged;
}

Result<void> write_outputs(BuildShared& shared, const image::StagedImage& image) {
    const BuildRequest& request = *shared.request;
    const std::string& root = shared.cache.data_root();
    if (wants_store(request.outputs)) TRY(image::publish(root, image));
    for (const Output& output : request.outputs) {
        const std::string scratch = TRY(shared.new_folder());
        TRY(write_output(output, root, image, request.source_date_epoch, scratch));
    }
    return {};
}

/// `--cache-to`. Returns the names of caches that are to be pushed.
Result<std::vector<std::string>> write_caches(const BuildShared& shared, const ImageState& state) {
    std::vector<std::string> names;
    for (const CachePlace& place : shared.request->cache_to) {
        using Kind = CachePlace::Kind;
        if (place.kind != Kind::Local && place.kind != Kind::Registry) continue;
        const StepRecords steps = steps_for(shared.records, state, place.all);
        image::StagedImage image = TRY(cache_image(shared.cache, steps));
        if (place.kind == Kind::Local) {
            TRY(write_cache_folder(shared.cache, image, place.place));
            continue;
        }
        const image::Reference reference = TRY(image::parse_reference(place.place));
        image.names.push_back(image::canonical(reference));
        TRY(image::publish(shared.cache.data_root(), image));
        names.push_back(place.place);
    }
    return names;
}

/// `--cache-from`. One that can't be had costs time, and is no reason not to build.
void read_caches(BuildShared& shared, Diagnostics& diagnostics) {
    for (const CachePlace& place : shared.request->cache_from) {
        const auto add = [&]() -> Result<void> {
            if (place.kind == CachePlace::Kind::Local)
                return shared.imported.add_folder(place.place);
            const image::Image image = TRY(shared.host->find_image(place.place));
            const Json config = TRY(image::read_blob(shared.cache.data_root(), image.id));
            shared.imported.add_image(config);
            return {};
        };
        if (place.kind == CachePlace::Kind::Ignored || place.kind == CachePlace::Kind::Inline)
            continue;
        if (const auto added = add(); !added)
            diagnostics.warning(fmt::format("the cache '{}' can't be used: {}",
                                            printable(place.place), added.error().to_string()),
                                {}, "the steps that it has are carried out");
    }
}

void warn_ignored_caches(const BuildRequest& request, Diagnostics& diagnostics) {
    const auto ignored = [](const CachePlace& place) {
        return place.kind == CachePlace::Kind::Ignored;
    };
    if (std::any_of(request.cache_from.begin(), request.cache_from.end(), ignored) ||
        std::any_of(request.cache_to.begin(), request.cache_to.end(), ignored))
        diagnostics.warning("caches of the types gha, s3 and azblob are passed over", {},
                            "use type=local or type=registry");
}

Result<void> check_names(const BuildRequest& request) {
    for (const std::string& name : names_of(request)) {
        const image::Reference reference =
            TRY_DOING(image::parse_reference(name), "name the image");
        if (!reference.digest.empty())
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' has a digest: a new image can't", name))
                .help("name it with a tag");
    }
    return {};
}

Error broken(const BuildRequest& request) {
    return {ErrorKind::InvalidInput, fmt::format("'{}' can't be built", request.dockerfile->path)};
}

/// --build-arg that no ARG takes: most often a typing mistake, as docker build warns.
void warn_unused(const Dockerfile& file, const BuildRequest& request, Diagnostics& diagnostics) {
    std::set<std::string> declared;
    const auto collect = [&](const std::vector<Instruction>& instructions) {
        for (const Instruction& instruction : instructions)
            if (instruction.keyword == Keyword::Arg)
                for (const Pair& pair : instruction.pairs) declared.insert(pair.name.text);
    };
    collect(file.globals);
    for (const Stage& stage : file.stages) collect(stage.steps);
    for (const auto& [name, value] : request.args) {
        std::string upper = name;
        std::transform(upper.begin(), upper.end(), upper.begin(),
                       [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        if (declared.contains(name) || upper.ends_with("_PROXY") || upper == "SOURCE_DATE_EPOCH" ||
            upper.starts_with("BUILDKIT_"))
            continue;
        const auto meant =
            nearest(name, std::vector<std::string>(declared.begin(), declared.end()));
        diagnostics.warning(fmt::format("no ARG takes the build argument '{}'", printable(name)),
                            {},
                            meant ? fmt::format("the nearest is '{}'", *meant)
                                  : "declare it with ARG where it is used");
    }
}

}  // namespace

Result<BuildResult> build(const BuildHost& host, const BuildRequest& request,
                          Diagnostics& diagnostics) {
    const auto file = parse_dockerfile(request.dockerfile, diagnostics);
    IgnoreFile ignore;
    if (request.ignore_file) ignore = IgnoreFile::parse(request.ignore_file, diagnostics);
    if (!file || !diagnostics.ok()) return broken(request);
    TRY(check_names(request));

    BuildShared shared;
    GraphInputs inputs;
    inputs.args = request.args;
    inputs.target = request.target;
    inputs.architecture = image::own_architecture();
    for (const auto& [name, place] : request.contexts) inputs.contexts.insert(name);
    const auto graph = plan_build(*file, inputs, diagnostics);
    if (!graph) return broken(request);
    warn_unused(*file, request, diagnostics);
    warn_ignored_caches(request, diagnostics);

    (void)TRY(image::Store::open(host.data_root));
    // Whoever removes layers sees by this that some may be ours.
    const FileLock running = TRY(FileLock::shared(image::build_lock_path(host.data_root)));
    const image::Staging staging = TRY(image::Staging::open(host.data_root));
    shared.host = &host;
    shared.request = &request;
    shared.file = &*file;
    shared.graph = &*graph;
    shared.ignore = ignore.empty() ? nullptr : &ignore;
    shared.context_names = inputs.contexts;
    shared.cache = LayerCache(host.data_root);
    shared.staging = staging.path();
    const auto now = request.source_date_epoch
                         ? std::chrono::system_clock::time_point(
                               std::chrono::seconds(*request.source_date_epoch))
                         : std::chrono::system_clock::now();
    shared.now = rfc3339(now);
    read_caches(shared, diagnostics);
    StageRunner runner(shared);
    const ImageState state = TRY(runner.run());
    const image::StagedImage image = TRY(finished_image(shared, state));
    TRY(write_outputs(shared, image));
    BuildResult result;
    result.image_id = sha256_hex(image.config);
    result.steps_run = shared.steps_run;
    result.caches = TRY(write_caches(shared, state));
    return result;
}

Result<std::shared_ptr<const SourceFile>> read_source(const std::string& path) {
    std::string text;
    if (path == "-") {
        text = TRY(read_file("/dev/stdin", kLargestFile));
        return std::make_shared<const SourceFile>(SourceFile{"<stdin>", std::move(text)});
    }
    auto read = read_file(path, kLargestFile);
    if (!read) {
        const bool missing = read.error().kind() == ErrorKind::NotFound;
        Error error = std::move(read).error().doing("read the Dockerfile");
        if (missing) return std::move(error).help("name it with -f, or with 'dockerfile' in build");
        return error;
    }
    return std::make_shared<const SourceFile>(SourceFile{path, *std::move(read)});
}

Result<std::shared_ptr<const SourceFile>> find_ignore_file(const std::string& dockerfile,
                                                           const std::string& context) {
    for (const std::string& path : {dockerfile + ".dockerignore", context + "/.dockerignore"}) {
        if (path.starts_with("-") || path.starts_with(".dockerignore")) continue;
        auto text = read_file(path, kLargestFile);
        if (text) return std::make_shared<const SourceFile>(SourceFile{path, *std::move(text)});
        if (text.error().kind() != ErrorKind::NotFound) return std::move(text).error();
    }
    return std::shared_ptr<const SourceFile>();
}

}  // namespace davit::builder
