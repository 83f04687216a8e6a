#include "cli/image_filter.h"

#include "base/duration.h"
#include "base/strings.h"
#include "cli/when.h"

#include <algorithm>
#include <fmt/format.h>
#include <fnmatch.h>

namespace davit::cli {
namespace {

Result<bool> truth(const std::string& value) {
    if (value == "true" || value == "1") return true;
    if (value == "false" || value == "0") return false;
    return Error(ErrorKind::InvalidInput,
                 fmt::format("invalid filter 'dangling={}'", printable(value)))
        .help("write dangling=true or dangling=false");
}

Result<void> add_word(ImageFilter& filter, const std::string& key, const std::string& value,
                      const image::Store& store) {
    if (key == "reference") {
        filter.references.push_back(value);
    } else if (key == "label") {
        filter.labels.push_back(value);
    } else if (key == "label!") {
        filter.without_labels.push_back(value);
    } else if (key == "dangling") {
        filter.dangling = TRY(truth(value));
    } else if (key == "before" || key == "since") {
        const image::Image image = TRY(store.find(value));
        (key == "before" ? filter.before : filter.since) = image.created;
    } else if (key == "until") {
        const auto time = TRY(parse_when(value, "--filter until"));
        if (!time) return Error(ErrorKind::InvalidInput, "invalid filter 'until='");
        filter.before = rfc3339(*time);
    } else {
        return Error(ErrorKind::InvalidInput, fmt::format("invalid filter '{}'", printable(key)))
            .help("use reference, label, dangling, before, since or until");
    }
    return {};
}

bool is_earlier(const std::string& first, const std::string& second) {
    const auto a = parse_rfc3339(first);
    const auto b = parse_rfc3339(second);
    return a && b && *a < *b;
}

}  // namespace

Result<ImageFilter> parse_image_filter(const std::vector<std::string>& words,
                                       const image::Store& store) {
    ImageFilter filter;
    for (const std::string& word : words) {
        const std::size_t equals = word.find('=');
        if (equals == std::string::npos)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("invalid filter '{}': no '='", printable(word)))
                .help("write NAME=value");
        TRY(add_word(filter, word.substr(0, equals), word.substr(equals + 1), store));
    }
    return filter;
}

bool reference_fits(const std::string& pattern, const image::Reference& name) {
    const std::string repository = familiar_repository(name);
    const std::string whole = repository + (name.tag.empty() ? "" : ":" + name.tag);
    return ::fnmatch(pattern.c_str(), whole.c_str(), FNM_PATHNAME) == 0 ||
           ::fnmatch(pattern.c_str(), repository.c_str(), FNM_PATHNAME) == 0;
}

bool has_label(const std::map<std::string, std::string>& labels, const std::string& wanted) {
    const std::size_t equals = wanted.find('=');
    const auto label = labels.find(wanted.substr(0, equals));
    return label != labels.end() &&
           (equals == std::string::npos || label->second == wanted.substr(equals + 1));
}

bool take_image(const ImageFilter& filter, image::Image& image) {
    const auto& labels = image.config.labels;
    const auto has = [&](const std::string& wanted) { return has_label(labels, wanted); };
    if (!std::all_of(filter.labels.begin(), filter.labels.end(), has)) return false;
    if (std::any_of(filter.without_labels.begin(), filter.without_labels.end(), has)) return false;
    if (filter.dangling && *filter.dangling != image.names.empty()) return false;
    if (!filter.before.empty() && !is_earlier(image.created, filter.before)) return false;
    if (!filter.since.empty() && !is_earlier(filter.since, image.created)) return false;
    if (filter.references.empty()) return true;
    std::erase_if(image.names, [&](const image::Reference& name) {
        return std::none_of(
            filter.references.begin(), filter.references.end(),
            [&](const std::string& pattern) { return reference_fits(pattern, name); });
    });
    return !image.names.empty();
}

}  // namespace davit::cli
