#include "base/strings.h"
#include "image/registry.h"

#include <cctype>
#include <fmt/format.h>

namespace davit::image {
namespace {

std::string escaped(std::string_view text) {
    std::string result;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~')
            result += c;
        else
            result += fmt::format("%{:02X}", byte);
    }
    return result;
}

std::string basic(const std::string& user, const std::string& secret) {
    return "Basic " + base64(user + ":" + secret);
}

}  // namespace

std::map<std::string, std::string> parse_challenge(std::string_view header) {
    std::map<std::string, std::string> parts;
    header = trim(header);
    const std::size_t blank = header.find(' ');
    parts["scheme"] = lowered(header.substr(0, blank));
    if (blank == std::string_view::npos) return parts;
    header.remove_prefix(blank + 1);
    while (!(header = trim(header)).empty()) {
        const std::size_t equals = header.find('=');
        if (equals == std::string_view::npos) break;
        const std::string name = lowered(trim(header.substr(0, equals)));
        header = trim(header.substr(equals + 1));
        std::string value;
        std::size_t at = 0;
        if (header.starts_with('"')) {
            for (at = 1; at < header.size() && header[at] != '"'; ++at) {
                if (header[at] == '\\' && at + 1 < header.size()) ++at;
                value += header[at];
            }
            at = std::min(at + 1, header.size());
        } else {
            at = std::min(header.find(','), header.size());
            value = trim(header.substr(0, at));
        }
        header = trim(header.substr(at));
        if (header.starts_with(',')) header.remove_prefix(1);
        parts[name] = value;
    }
    return parts;
}

/// The Authorization that answers a 401; empty where we have nothing to say.
Result<std::string> Registry::authorize(const Endpoint& endpoint, const HttpResponse& challenge,
                                        const std::string& scope) {
    const auto parts = parse_challenge(challenge.header("www-authenticate"));
    const auto part = [&](const char* name) {
        const auto found = parts.find(name);
        return found == parts.end() ? std::string() : found->second;
    };
    // A mirror is another host: the registry's credentials are none of its business.
    if (part("scheme") == "basic") {
        if (endpoint.mirror || credentials_.user.empty()) return std::string();
        return basic(credentials_.user, credentials_.secret);
    }
    if (part("scheme") != "bearer" || part("realm").empty()) return std::string();
    if (!endpoint.mirror && !credentials_.registry_token.empty())
        return "Bearer " + credentials_.registry_token;
    const std::string token = TRY(fetch_token(endpoint, part("realm"), part("service"), scope));
    return "Bearer " + token;
}

/// @source Docker Registry v2 authentication: "Token Authentication", "OAuth2"
Result<std::string> Registry::fetch_token(const Endpoint& endpoint, const std::string& realm,
                                          const std::string& service, const std::string& scope) {
    if (!realm.starts_with("https://") && !(realm.starts_with("http://") && endpoint.plain_allowed))
        return Error(ErrorKind::PermissionDenied,
                     fmt::format("{} sends us to '{}' for a token, which is not https",
                                 endpoint.host, printable(realm)));
    HttpRequest request = get(endpoint, "");
    const bool known = !endpoint.mirror && !credentials_.anonymous();
    if (known && !credentials_.identity_token.empty()) {
        request.method = "POST";
        request.url = realm;
        request.headers = {"Content-Type: application/x-www-form-urlencoded"};
        request.body = fmt::format(
            "grant_type=refresh_token&client_id=davit&service={}&scope={}&refresh_token={}",
            escaped(service), escaped(scope), escaped(credentials_.identity_token));
    } else {
        request.url =
            fmt::format("{}{}service={}", realm, realm.find('?') == std::string::npos ? "?" : "&",
                        escaped(service));
        // Several may be asked for at once: "a b" is scope=a&scope=b.
        for (const std::string& one : split(scope, ' '))
            if (!one.empty()) request.url += "&scope=" + escaped(one);
        if (known) {
            request.url += "&account=" + escaped(credentials_.user);
            request.authorization = basic(credentials_.user, credentials_.secret);
        }
    }
    Backoff backoff(settings_, settings_.tries);
    HttpResponse response = http_.perform(request);
    while (!response.ok() && backoff.again(response)) response = http_.perform(request);
    if (!response.ok()) {
        Endpoint asked = endpoint;
        asked.host = http_.origin(realm);
        return failure(response, asked, "token");
    }
    const Json json = TRY(parse_json(response.body, "the token of " + http_.origin(realm)));
    const auto text = [&](const char* key) {
        const auto found = json.is_object() ? json.find(key) : json.end();
        return json.is_object() && found != json.end() && found->is_string()
                   ? found->get<std::string>()
                   : std::string();
    };
    std::string token = text("token").empty() ? text("access_token") : text("token");
    if (token.empty() || token.find_first_of("\r\n") != std::string::npos)
        return Error(ErrorKind::InvalidInput, fmt::format("{} gave no token", http_.origin(realm)));
    return token;
}

}  // namespace davit::image
