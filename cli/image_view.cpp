#include "cli/image_view.h"

#include "base/bytes.h"
#include "base/strings.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::cli {
namespace {

constexpr std::size_t kCreatedByWidth = 45;

std::string text(const image::Reference& name) {
    std::string shown = image::familiar_repository(name);
    if (!name.tag.empty()) shown += ":" + name.tag;
    if (!name.digest.empty()) shown += "@" + name.digest;
    return shown;
}

}  // namespace

Json image_inspect(const image::Image& image, const Json& config) {
    Json tags = Json::array();
    for (const image::Reference& name : image.names)
        if (!name.tag.empty()) tags.push_back(text(name));
    Json digests = Json::array();
    for (const image::Reference& name : image.repo_digests) digests.push_back(text(name));
    Json layers = Json::array();
    for (const std::string& diff_id : image.diff_ids) layers.push_back("sha256:" + diff_id);
    std::string comment;
    if (const auto history = config.find("history"); history != config.end() &&
                                                     history->is_array() && !history->empty() &&
                                                     history->back().is_object())
        comment = string_or(history->back(), "comment");
    const auto words = config.find("config");
    Json shown = {{"Id", "sha256:" + image.id},
                  {"RepoTags", std::move(tags)},
                  {"RepoDigests", std::move(digests)},
                  {"Parent", ""},
                  {"Comment", comment},
                  {"Created", image.created},
                  {"Author", string_or(config, "author")},
                  {"Config", words == config.end() ? Json(nullptr) : *words},
                  {"Architecture", image.config.architecture},
                  {"Os", image.config.os},
                  {"Size", image.size_bytes},
                  {"RootFS", {{"Type", "layers"}, {"Layers", std::move(layers)}}},
                  {"Metadata", {{"LastTagTime", "0001-01-01T00:00:00Z"}}}};
    if (const std::string variant = string_or(config, "variant"); !variant.empty())
        shown["Variant"] = variant;
    return shown;
}

std::vector<Json> history_rows(const image::Image& image, const Json& config,
                               const std::vector<std::int64_t>& sizes, bool no_trunc,
                               TimePoint now) {
    std::vector<Json> rows;
    const auto history = config.find("history");
    if (history == config.end() || !history->is_array()) return rows;
    std::size_t layer = 0;
    for (const Json& line : *history) {
        if (!line.is_object()) continue;
        const auto empty = line.find("empty_layer");
        const bool has_layer = empty == line.end() || *empty != true;
        const std::int64_t size = has_layer && layer < sizes.size() ? sizes[layer++] : 0;
        std::string by = string_or(line, "created_by");
        std::replace(by.begin(), by.end(), '\t', ' ');
        if (!no_trunc && by.size() > kCreatedByWidth) by = by.substr(0, kCreatedByWidth - 1) + "…";
        const std::string created = string_or(line, "created");
        rows.push_back({{"Comment", string_or(line, "comment")},
                        {"CreatedAt", created},
                        {"CreatedBy", by},
                        {"CreatedSince", ago(created, now)},
                        {"ID", "<missing>"},
                        {"Size", format_bytes(size)}});
    }
    std::reverse(rows.begin(), rows.end());
    if (!rows.empty())
        rows.front()["ID"] = no_trunc ? "sha256:" + image.id : image.id.substr(0, 12);
    return rows;
}

}  // namespace davit::cli
