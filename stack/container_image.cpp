#include "stack/container_image.h"

#include "base/file.h"
#include "base/log.h"
#include "base/scope_guard.h"
#include "base/sys.h"
#include "builder/merged_root.h"
#include "builder/mount_stubs.h"
#include "image/staging.h"
#include "image/store.h"
#include "image/store_files.h"
#include "runtime/guard_client.h"
#include "stack/mount_points.h"

#include <fcntl.h>
#include <memory>

namespace davit::stack {
namespace {

constexpr std::uint32_t kIds = 65536;

std::string upper_of(const ContainerRecord& record) { return record.state_dir + "/rw/upper"; }

/// The owners of the upper folder as those of an image; an empty list: they are the same.
std::vector<image::IdRange> ids_of(const ContainerRecord& record) {
    if (record.uid_base == 0) return {};
    return {{.container = 0, .host = record.uid_base, .size = kIds}};
}

Json set_of(const std::vector<std::string>& words) {
    Json set = Json::object();
    for (const std::string& word : words) set[word] = Json::object();
    return set;
}

/// The image's own words, and over them those of the container.
/// @source moby daemon/commit.go, "merge"
Json config_of(Json config, const ContainerRecord& record) {
    config["Env"] = record.env;
    config["Entrypoint"] = record.entrypoint.empty() ? Json(nullptr) : Json(record.entrypoint);
    config["Cmd"] = record.cmd.empty() ? Json(nullptr) : Json(record.cmd);
    config["User"] = record.user;
    config["WorkingDir"] = record.cwd;
    if (!record.labels.empty()) config["Labels"] = record.labels;
    if (!record.exposed_ports.empty()) config["ExposedPorts"] = set_of(record.exposed_ports);
    if (!record.stop_signal.empty()) config["StopSignal"] = record.stop_signal;
    return config;
}

Result<image::Image> image_of(const image::Store& store, const ContainerRecord& record) {
    Result<image::Image> found = store.find("sha256:" + record.image_id);
    if (found) return found;
    return std::move(found)
        .error()
        .doing("read the image of container '{}'", record.name)
        .help("load or pull the image again");
}

/// Targets of the container's mounts, which its upper folder has as empty stubs.
Result<std::vector<std::string>> mount_targets(const Paths& paths, const ContainerRecord& record) {
    const Json config =
        TRY(read_json(paths.container(record.project, record.name) + "/config.json"));
    std::vector<std::string> targets;
    const auto mounts = config.find("mounts");
    if (mounts == config.end() || !mounts->is_array()) return targets;
    for (const Json& mount : *mounts) {
        const std::string target = string_or(mount, "destination");
        if (target.starts_with('/')) targets.push_back(target);
    }
    return targets;
}

Error half_made(const ContainerRecord& record) {
    return Error(ErrorKind::NotFound,
                 "container '" + record.name + "' was never made whole: it has no file system")
        .help("make it again with 'davit up -d'");
}

}  // namespace

Result<std::string> commit(const Environment& environment, const ContainerView& container,
                           const CommitOptions& options) {
    const ContainerRecord& record = container.record;
    if (record.image_id.empty() || !exists(upper_of(record))) return half_made(record);
    image::Store store = TRY(image::Store::open(environment.paths.data_root));
    const image::Image base = TRY(image_of(store, record));
    const Json base_config = TRY(image::read_blob(store.data_root(), base.id));
    const image::Staging staging = TRY(image::Staging::open(store.data_root()));

    const std::string run_dir = environment.paths.run_container(record.project, record.name);
    const bool pauses = options.pause && container.state.status == runtime::Status::Running;
    if (pauses) TRY_DOING(runtime::pause(run_dir), "pause container '{}'", record.name);
    const ScopeGuard go_on([&] {
        if (!pauses) return;
        if (const Result<void> done = runtime::unpause(run_dir); !done)
            log::warn("stack", "cannot let '{}' go on: {}", record.name, done.error().to_string());
    });

    const auto stubs = std::make_shared<builder::MountStubs>();
    {
        const builder::MergedRoot lower =
            TRY(builder::MergedRoot::open(base.layers, staging.path(), false));
        std::vector<std::string> targets = TRY(mount_targets(environment.paths, record));
        TRY(stubs->look(lower.root(), std::move(targets)));
    }
    stubs->decide(upper_of(record), record.uid_base);

    image::Store::CommitRequest request;
    request.base = "sha256:" + base.id;
    request.upper = upper_of(record);
    request.pack.uids = ids_of(record);
    request.pack.gids = request.pack.uids;
    request.pack.live = !pauses;
    request.pack.wanted = [stubs](const std::string& path) { return !stubs->contains(path); };
    const auto words = base_config.find("config");
    const bool has_words = words != base_config.end() && words->is_object();
    request.config = config_of(has_words ? *words : Json::object(), record);
    request.changes = options.changes;
    std::string command;
    for (const std::vector<std::string>& list : {record.entrypoint, record.cmd})
        for (const std::string& word : list) command += (command.empty() ? "" : " ") + word;
    request.created_by = command;
    request.author = options.author;
    request.comment = options.message;
    if (!options.name.empty()) request.names = {options.name};
    return store.commit(request);
}

Result<void> export_root(const Environment& environment, const ContainerView& container,
                         image::ByteSink& sink) {
    const ContainerRecord& record = container.record;
    if (record.image_id.empty() || !exists(upper_of(record))) return half_made(record);
    const image::Store store = TRY(image::Store::open(environment.paths.data_root));
    const image::Image image = TRY(image_of(store, record));
    const image::Staging staging = TRY(image::Staging::open(store.data_root()));
    // Read through a second overlay, in which all layers are lower ones: nothing can be written,
    // and what is mounted in the container isn't there.
    std::vector<std::string> layers = {upper_of(record)};
    layers.insert(layers.end(), image.layers.begin(), image.layers.end());
    if (const std::string lowest = mount_point_layer(environment.paths.data_root); exists(lowest))
        layers.push_back(lowest);
    const builder::MergedRoot merged =
        TRY(builder::MergedRoot::open(layers, staging.path(), false));
    image::PackOptions options;
    options.overlay = false;
    options.live = true;
    if (record.uid_base != 0) {
        // Owners of the image's layers are as they came, those of the upper folder are shifted.
        options.uids = ids_of(record);
        options.uids.push_back({.container = 0, .host = 0, .size = kIds});
        options.gids = options.uids;
    }
    (void)TRY(image::pack_layer(merged.root(), sink, options));
    return {};
}

}  // namespace davit::stack
