#include "cli/container_filter.h"

#include "base/strings.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <map>

namespace davit::cli {
namespace {

constexpr std::array<std::string_view, 9> kKeys = {
    "status", "name", "id", "label", "ancestor", "exited", "health", "network", "volume"};
constexpr std::array<std::string_view, 7> kStatuses = {
    "paused", "restarting", "removing", "running", "dead", "created", "exited"};

template <typename Words>
bool is_in(const Words& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

bool has_label(const stack::ContainerRecord& record, const std::string& wanted) {
    const std::size_t equals = wanted.find('=');
    const auto found = record.labels.find(wanted.substr(0, equals));
    return found != record.labels.end() &&
           (equals == std::string::npos || found->second == wanted.substr(equals + 1));
}

/// An image by the name that the file has, with or without a tag, or by its id.
bool is_of(const stack::ContainerRecord& record, const std::string& image) {
    return record.image == image || record.image == image + ":latest" ||
           record.image.starts_with(image + ":") ||
           (image.size() >= 4 && record.image_id.starts_with(image));
}

std::string health_of(const stack::ContainerView& view) {
    return view.state.health ? runtime::to_string(view.state.health->status) : "none";
}

bool holds(const stack::ContainerView& view, const std::string& key, const std::string& value) {
    const stack::ContainerRecord& record = view.record;
    if (key == "status") return value == runtime::to_string(view.state.status);
    if (key == "name") return record.name.find(value) != std::string::npos;
    if (key == "id") return record.id.starts_with(value);
    if (key == "label") return has_label(record, value);
    if (key == "ancestor") return is_of(record, value);
    if (key == "exited")
        return view.state.status == runtime::Status::Exited &&
               value == std::to_string(view.state.exit_code);
    if (key == "health") return value == health_of(view);
    if (key == "network")
        return std::any_of(record.endpoints.begin(), record.endpoints.end(),
                           [&](const auto& endpoint) { return endpoint.network == value; });
    return std::any_of(record.mounts.begin(), record.mounts.end(), [&](const auto& mount) {
        return !mount.file && (mount.name == value || mount.destination == value);
    });
}

}  // namespace

Result<ContainerFilter> ContainerFilter::parse(const std::vector<std::string>& filters,
                                               const std::vector<std::string>& statuses) {
    ContainerFilter filter;
    for (const std::string& text : filters) {
        const std::size_t equals = text.find('=');
        Term term{text.substr(0, equals),
                  equals == std::string::npos ? std::string() : text.substr(equals + 1)};
        if (equals == std::string::npos || !is_in(kKeys, term.key))
            return Error(ErrorKind::InvalidInput,
                         fmt::format("unknown filter {}", printable(term.key)))
                .help(fmt::format("use {}, as in status=running", fmt::join(kKeys, ", ")));
        filter.terms_.push_back(std::move(term));
    }
    for (const std::string& status : statuses) filter.terms_.push_back({"status", status});
    for (const Term& term : filter.terms_)
        if (term.key == "status" && !is_in(kStatuses, term.value))
            return Error(ErrorKind::InvalidInput,
                         fmt::format("unknown status '{}'", printable(term.value)))
                .help("use paused, restarting, running, created or exited");
    return filter;
}

bool ContainerFilter::takes(const stack::ContainerView& view) const {
    std::map<std::string, bool> by_key;
    for (const Term& term : terms_) {
        bool& any = by_key[term.key];
        any = any || holds(view, term.key, term.value);
    }
    return std::all_of(by_key.begin(), by_key.end(), [](const auto& key) { return key.second; });
}

bool ContainerFilter::any_status() const {
    return std::any_of(terms_.begin(), terms_.end(), [](const Term& term) {
        return term.key == "status" || term.key == "exited";
    });
}

}  // namespace davit::cli
