#include "base/digest.h"
#include "base/sys.h"
#include "image/changes.h"
#include "image/layer_stage.h"
#include "image/staging.h"
#include "image/store.h"
#include "image/store_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace davit::image {
namespace {

/// Writes the archive as a plain tar to a file: it is read twice, to be unpacked and compressed.
Result<void> spool(const std::string& archive, const std::string& path) {
    UniqueFd fd;
    if (archive == "-")
        fd.reset(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
    else
        fd = TRY(sys::open(archive, O_RDONLY));
    const std::unique_ptr<ByteSource> raw = read_descriptor(std::move(fd));
    const std::unique_ptr<ByteSource> plain = TRY(decompress(*raw));
    const UniqueFd file = TRY(sys::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    std::vector<char> buffer(256U << 10U);
    for (;;) {
        const std::size_t got = TRY(plain->read(buffer.data(), buffer.size()));
        if (got == 0) return {};
        TRY_DOING(write_all(file, {buffer.data(), got}), "write '{}'", path);
    }
}

Result<StagedLayer> import_layer(const std::string& archive, const Staging& staging) {
    std::vector<LayerJob> jobs(1);
    jobs[0].file.path = staging.path() + "/tar";
    jobs[0].folder = staging.path() + "/layer";
    jobs[0].scratch = staging.path() + "/blob";
    jobs[0].compress = true;
    TRY(spool(archive, jobs[0].file.path));
    TRY(stage_layers(jobs));
    const Json notes = TRY(read_json(jobs[0].folder + "/meta.json"));
    if (integer_or(notes, "entries") == 0)
        return Error(ErrorKind::InvalidInput, "it is empty, or no tar archive");
    return std::move(jobs[0].staged);
}

}  // namespace

Result<std::string> Store::import(const std::string& archive, const ImportOptions& options) {
    // Everything that can be wrong in the words comes before the work.
    Json container = TRY(apply_changes(Json::object(), options.changes));
    StagedImage image;
    if (!options.reference.empty()) {
        const Reference name = TRY(parse_reference(options.reference));
        if (!name.digest.empty())
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' has a digest: a new name can't", options.reference));
        image.names.push_back(canonical(name));
    }
    const std::string shown = archive == "-" ? "standard input" : archive;
    const Staging staging = TRY(Staging::open(root_));
    Result<StagedLayer> imported = import_layer(archive, staging);
    if (!imported)
        return explain_full_disk(std::move(imported).error().doing("import '{}'", shown), root_);
    const StagedLayer layer = *std::move(imported);
    const std::string created = creation_time();
    const std::string comment =
        options.message.empty() ? fmt::format("Imported from {}", archive) : options.message;
    const Json config = {
        {"created", created},
        {"architecture", own_architecture()},
        {"os", "linux"},
        {"config", std::move(container)},
        {"rootfs", {{"type", "layers"}, {"diff_ids", Json::array({"sha256:" + layer.diff_id})}}},
        {"history", Json::array({Json{{"created", created}, {"comment", comment}}})}};
    image.config = config.dump(-1, ' ', false, Json::error_handler_t::replace);
    image.manifest = make_manifest(image.config, {layer.blob});
    image.layers.push_back(layer);
    Result<std::string> id = publish(root_, image);
    if (!id) return explain_full_disk(std::move(id).error(), root_);
    return id;
}

}  // namespace davit::image
