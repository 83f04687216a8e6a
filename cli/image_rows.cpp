#include "cli/image_rows.h"

#include "base/bytes.h"
#include "cli/table.h"

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

std::string image_table(const std::vector<Json>& rows, const ImageRowOptions& options) {
    std::vector<std::pair<const char*, const char*>> columns = {{"REPOSITORY", "Repository"},
                                                                {"TAG", "Tag"}};
    if (options.digests) columns.emplace_back("DIGEST", "Digest");
    columns.insert(columns.end(),
                   {{"IMAGE ID", "ID"}, {"CREATED", "CreatedSince"}, {"SIZE", "Size"}});
    std::vector<std::vector<std::string>> table(1);
    for (const auto& [title, key] : columns) table[0].push_back(title);
    for (const Json& row : rows) {
        std::vector<std::string> cells;
        for (const auto& [title, key] : columns) cells.push_back(string_or(row, key));
        table.push_back(std::move(cells));
    }
    return render_table(table);
}

}  // namespace davit::cli
