#include "image/reference.h"

#include <cctype>
#include <fmt/format.h>

namespace davit::image {
namespace {

constexpr std::string_view kDefaultDomain = "docker.io";
constexpr std::size_t kLongestTag = 128;
constexpr std::size_t kLongestName = 255;

Error invalid(std::string_view text, std::string_view why) {
    return Error(ErrorKind::InvalidInput,
                 fmt::format("'{}' is not the name of an image: {}", text, why))
        .help("write [host[:port]/]path[:tag][@sha256:digest], such as nginx:1.27");
}

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// [a-z0-9]+ parts joined by ".", "_", "__" or any number of "-".
bool is_path_part(std::string_view part) {
    if (part.empty() || !is_lower_alnum(part.front()) || !is_lower_alnum(part.back())) return false;
    for (std::size_t i = 0; i < part.size();) {
        if (is_lower_alnum(part[i])) {
            ++i;
            continue;
        }
        const std::size_t start = i;
        while (i < part.size() && !is_lower_alnum(part[i])) ++i;
        const std::string_view joint = part.substr(start, i - start);
        const bool dashes = joint.find_first_not_of('-') == std::string_view::npos;
        if (joint != "." && joint != "_" && joint != "__" && !dashes) return false;
    }
    return true;
}

bool is_path(std::string_view path) {
    while (true) {
        const std::size_t slash = path.find('/');
        if (!is_path_part(path.substr(0, slash))) return false;
        if (slash == std::string_view::npos) return true;
        path.remove_prefix(slash + 1);
    }
}

bool is_tag(std::string_view tag) {
    if (tag.empty() || tag.size() > kLongestTag || !is_word(tag.front())) return false;
    for (const char c : tag) {
        if (!is_word(c) && c != '.' && c != '-') return false;
    }
    return true;
}

bool is_digest(std::string_view digest) {
    const bool fits = (digest.starts_with("sha256:") && digest.size() == 7 + 64) ||
                      (digest.starts_with("sha512:") && digest.size() == 7 + 128);
    return fits && digest.find_first_not_of("0123456789abcdef", 7) == std::string_view::npos;
}

bool is_domain(std::string_view domain) {
    for (const char c : domain) {
        if (!is_word(c) && c != '.' && c != '-' && c != ':' && c != '[' && c != ']') return false;
    }
    return !domain.empty();
}

/// The first part of a name is a host only if it can't be the beginning of a path.
bool looks_like_domain(std::string_view part) {
    if (part == "localhost" || part.find_first_of(".:") != std::string_view::npos) return true;
    for (const char c : part) {
        if (std::isupper(static_cast<unsigned char>(c)) != 0) return true;
    }
    return false;
}

}  // namespace

Result<Reference> parse_reference(std::string_view text) {
    Reference reference;
    std::string_view rest = text;
    if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
        reference.digest = rest.substr(at + 1);
        rest = rest.substr(0, at);
        if (!is_digest(reference.digest))
            return invalid(
                text, "its digest is not sha256: and 64 hexadecimal digits, nor sha512: and 128");
    }
    const std::size_t last_slash = rest.rfind('/');
    const std::size_t colon =
        rest.find(':', last_slash == std::string_view::npos ? 0 : last_slash + 1);
    if (colon != std::string_view::npos) {
        reference.tag = rest.substr(colon + 1);
        rest = rest.substr(0, colon);
        if (!is_tag(reference.tag))
            return invalid(text, fmt::format("a tag has 1 to {} of [A-Za-z0-9_.-]", kLongestTag));
    } else if (reference.digest.empty()) {
        reference.tag = "latest";
    }
    const std::size_t slash = rest.find('/');
    if (slash != std::string_view::npos && looks_like_domain(rest.substr(0, slash))) {
        reference.domain = rest.substr(0, slash);
        rest = rest.substr(slash + 1);
        if (!is_domain(reference.domain)) return invalid(text, "its host is malformed");
        if (reference.domain == "index.docker.io") reference.domain = kDefaultDomain;
    } else {
        reference.domain = kDefaultDomain;
    }
    reference.path = rest;
    if (!is_path(reference.path) || reference.path.size() > kLongestName)
        return invalid(text, "its path has other characters than [a-z0-9] with . _ - between them");
    if (reference.domain == kDefaultDomain && reference.path.find('/') == std::string::npos)
        reference.path = "library/" + reference.path;
    return reference;
}

std::string canonical(const Reference& reference) {
    std::string text = reference.domain + "/" + reference.path;
    if (!reference.tag.empty()) text += ":" + reference.tag;
    if (!reference.digest.empty()) text += "@" + reference.digest;
    return text;
}

std::string familiar_repository(const Reference& reference) {
    if (reference.domain != kDefaultDomain) return reference.domain + "/" + reference.path;
    if (reference.path.starts_with("library/")) return reference.path.substr(8);
    return reference.path;
}

}  // namespace davit::image
