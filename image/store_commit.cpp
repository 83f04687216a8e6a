#include "base/sys.h"
#include "image/changes.h"
#include "image/layer_stage.h"
#include "image/staging.h"
#include "image/store.h"
#include "image/store_files.h"

#include <fcntl.h>
#include <fmt/format.h>

namespace davit::image {
namespace {

/// Configuration and layers that the new image begins with.
struct Base {
    Json config = {};
    std::vector<std::string> diff_ids = {};
    std::vector<Blob> blobs = {};
};

Base nothing(const std::string& architecture) {
    Base base;
    base.config = {
        {"created", ""},
        {"architecture", architecture.empty() ? std::string(own_architecture()) : architecture},
        {"os", "linux"},
        {"config", Json::object()},
        {"rootfs", {{"type", "layers"}, {"diff_ids", Json::array()}}}};
    return base;
}

/// A layer keeps its bytes when its image is told anew, but not Docker's word for what it is.
std::string oci_type(const std::string& type) {
    if (type.starts_with("application/vnd.oci.")) return type;
    if (type.ends_with("gzip")) return kOciLayerGzip;
    return type.ends_with("zstd") ? kOciLayerZstd : kOciLayer;
}

Result<Base> read_base(const std::string& data_root, const Image& image) {
    Base base;
    base.config = TRY(read_blob(data_root, image.id));
    base.diff_ids = image.diff_ids;
    const Json manifest = TRY(read_blob(data_root, image.manifest_digest));
    base.blobs = TRY(manifest_layers(manifest));
    for (Blob& blob : base.blobs) blob.media_type = oci_type(blob.media_type);
    if (base.blobs.size() != base.diff_ids.size())
        return Error(ErrorKind::InvalidInput, "its manifest and configuration differ");
    // What described the container that the base was made of.
    for (const char* key : {"container", "container_config", "id", "parent", "docker_version"})
        base.config.erase(key);
    return base;
}

Result<StagedLayer> pack(const Store::CommitRequest& request, const Staging& staging,
                         const std::string& data_root) {
    std::vector<LayerJob> jobs(1);
    LayerJob& job = jobs[0];
    job.file.path = staging.path() + "/tar";
    job.scratch = staging.path() + "/blob";
    job.compress = true;
    const UniqueFd upper = TRY(sys::open(request.upper, O_RDONLY | O_DIRECTORY));
    UniqueFd fd = TRY(sys::open(job.file.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    FileSink tar(std::move(fd));
    (void)TRY(pack_layer(upper, tar, request.pack));
    TRY(tar.flush());
    job.diff_id = std::move(tar).hex();
    if (exists(layer_path(data_root, job.diff_id) + "/meta.json")) {
        if (const auto blob = blob_of_layer(data_root, job.diff_id))
            return StagedLayer{job.diff_id, "", *blob, ""};
    } else {
        job.folder = staging.path() + "/layer";
    }
    TRY(stage_layers(jobs));
    return std::move(job.staged);
}

Json history_line(const Store::CommitRequest& request, const std::string& created) {
    Json line = {{"created", created}};
    if (!request.created_by.empty()) line["created_by"] = request.created_by;
    if (!request.author.empty()) line["author"] = request.author;
    if (!request.comment.empty()) line["comment"] = request.comment;
    if (request.upper.empty()) line["empty_layer"] = true;
    return line;
}

}  // namespace

Result<std::string> Store::commit(const CommitRequest& request) {
    StagedImage image;
    for (const std::string& name : request.names) {
        const Reference reference = TRY(parse_reference(name));
        if (!reference.digest.empty())
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' has a digest: a new name can't", name));
        image.names.push_back(canonical(reference));
    }
    Base base = nothing(request.architecture);
    if (!request.base.empty()) {
        const Image found = TRY(find(request.base));
        base = TRY_DOING(read_base(root_, found), "read image '{}'", request.base);
    }
    const Json words =
        request.config ? *request.config : base.config.value("config", Json(Json::object()));
    base.config["config"] =
        TRY(apply_changes(words.is_object() ? words : Json::object(), request.changes));
    const Staging staging = TRY(Staging::open(root_));
    if (!request.upper.empty()) {
        Result<StagedLayer> packed = pack(request, staging, root_);
        if (!packed)
            return explain_full_disk(
                std::move(packed).error().doing("make a layer of '{}'", request.upper), root_);
        base.diff_ids.push_back(packed->diff_id);
        base.blobs.push_back(packed->blob);
        image.layers.push_back(*std::move(packed));
    }
    Json list = Json::array();
    for (std::size_t i = 0; i < base.diff_ids.size(); ++i) {
        list.push_back("sha256:" + base.diff_ids[i]);
        if (i < base.diff_ids.size() - image.layers.size())
            image.layers.insert(image.layers.begin(),
                                StagedLayer{base.diff_ids[i], "", base.blobs[i], ""});
    }
    const std::string created = creation_time();
    base.config["created"] = created;
    if (!request.author.empty()) base.config["author"] = request.author;
    base.config["rootfs"] = {{"type", "layers"}, {"diff_ids", std::move(list)}};
    if (!base.config.contains("history")) base.config["history"] = Json::array();
    base.config["history"].push_back(history_line(request, created));
    image.config = base.config.dump(-1, ' ', false, Json::error_handler_t::replace);
    image.manifest = make_manifest(image.config, base.blobs);
    Result<std::string> id = publish(root_, image);
    if (!id) return explain_full_disk(std::move(id).error(), root_);
    return id;
}

}  // namespace davit::image
