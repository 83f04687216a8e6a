#include "cli/image_rows.h"

#include "base/bytes.h"

namespace davit::cli {
namespace {

constexpr const char* kNone = "<none>";

Json image_row(const image::Image& image, const image::Reference* name,
               const ImageRowOptions& options, TimePoint now) {
    const std::string size = format_bytes(image.size_bytes);
    // What its registry knows it as, where it came from one.
    std::string digest = image.manifest_digest;
    for (const image::Reference& known : image.repo_digests)
        if (name != nullptr && known.domain == name->domain && known.path == name->path)
            digest = known.digest;
    return {{"Containers", "N/A"},
            {"CreatedAt", docker_time(image.created)},
            {"CreatedSince", ago(image.created, now)},
            {"Digest", options.digests && !digest.empty() ? digest : kNone},
            {"ID", options.no_trunc ? "sha256:" + image.id : image.id.substr(0, kIdDigits)},
            {"Repository", name != nullptr ? familiar_repository(*name) : kNone},
            {"SharedSize", "N/A"},
            {"Size", size},
            {"Tag", name != nullptr && !name->tag.empty() ? name->tag : kNone},
            {"UniqueSize", "N/A"},
            {"VirtualSize", size}};
}

}  // namespace

std::vector<Json> image_rows(const std::vector<image::Image>& images,
                             const ImageRowOptions& options, TimePoint now) {
    std::vector<Json> rows;
    for (const image::Image& image : images) {
        for (const image::Reference& name : image.names)
            rows.push_back(image_row(image, &name, options, now));
        if (image.names.empty()) rows.push_back(image_row(image, nullptr, options, now));
    }
    return rows;
}

RowKind image_kind(const ImageRowOptions& options) {
    RowKind kind = {{{"ID", "IMAGE ID"},
                     {"Repository", "REPOSITORY"},
                     {"Tag", "TAG"},
                     {"Digest", "DIGEST"},
                     {"CreatedSince", "CREATED"},
                     {"CreatedAt", "CREATED AT"},
                     {"Size", "SIZE"},
                     {"Containers", "CONTAINERS"},
                     {"VirtualSize", "SIZE"},
                     {"SharedSize", "SHARED SIZE"},
                     {"UniqueSize", "UNIQUE SIZE"}},
                    {"Repository", "Tag", "ID", "CreatedSince", "Size"},
                    "{{.Repository}}"};
    if (options.digests) kind.table.insert(kind.table.begin() + 2, "Digest");
    return kind;
}

}  // namespace davit::cli
