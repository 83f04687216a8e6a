#include "image/registry.h"

#include <fmt/format.h>
#include <set>

namespace davit::image {
namespace {

/// More is no list to be read: the registry goes on for ever.
constexpr std::size_t kMostTags = 100'000;
constexpr std::size_t kMostPages = 1'000;

/// The address of the next page, from the registry on; empty where there is none.
/// @source RFC 8288; OCI distribution-spec "Listing Tags"
std::string next_page(const std::string& link) {
    const std::size_t begin = link.find('<');
    const std::size_t end = link.find('>', begin == std::string::npos ? 0 : begin);
    if (begin == std::string::npos || end == std::string::npos) return {};
    if (link.find("next", end) == std::string::npos) return {};
    const std::string url = link.substr(begin + 1, end - begin - 1);
    // Another host has no say in where the list goes on.
    const std::size_t path = url.find("/v2/");
    return path == std::string::npos ? std::string() : url.substr(path);
}

}  // namespace

Result<std::vector<std::string>> Registry::tags(const std::string& path) {
    Endpoint& endpoint = upstream();
    std::vector<std::string> tags;
    std::set<std::string> pages;
    const std::string& there = endpoint.repository.empty() ? path : endpoint.repository;
    std::string page = fmt::format("/v2/{}/tags/list", there);
    while (!page.empty() && pages.insert(page).second) {
        const HttpResponse response =
            ask_again(endpoint, get(endpoint, page), fmt::format("repository:{}:pull", there),
                      settings_.tries);
        if (!response.ok()) return failure(response, endpoint, "list of tags");
        const Json list = TRY(parse_json(response.body, "the registry's list of tags"));
        const std::vector<std::string> some =
            TRY(decode_json(list, "the registry's list of tags", [](const Json& json) {
                const auto found = json.find("tags");
                if (found == json.end() || found->is_null()) return std::vector<std::string>();
                return found->get<std::vector<std::string>>();
            }));
        tags.insert(tags.end(), some.begin(), some.end());
        if (tags.size() > kMostTags || pages.size() > kMostPages)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("the registry's list of tags does not end after {} tags on {} "
                                     "pages",
                                     tags.size(), pages.size()));
        page = next_page(response.header("link"));
    }
    return tags;
}

}  // namespace davit::image
