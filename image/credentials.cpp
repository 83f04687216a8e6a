#include "image/credentials.h"

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "image/base64.h"

#include <fmt/format.h>
#include <optional>
#include <unistd.h>

namespace davit::image {
namespace {

constexpr const char* kHubKey = "https://index.docker.io/v1/";

/// The forms in which a file may name the registry.
std::vector<std::string> keys_of(const std::string& domain) {
    if (domain == "docker.io")
        return {kHubKey, "index.docker.io", "docker.io", "registry-1.docker.io"};
    return {domain,
            "https://" + domain,
            "http://" + domain,
            "https://" + domain + "/v1/",
            "https://" + domain + "/v2/",
            domain + "/"};
}

/// The name that helpers know the registry by.
std::string server_of(const std::string& domain) {
    return domain == "docker.io" ? kHubKey : domain;
}

const Json* member(const Json& json, const char* key) {
    if (!json.is_object()) return nullptr;
    const auto found = json.find(key);
    return found == json.end() ? nullptr : &*found;
}

Result<std::optional<Credentials>> ask_helper(const std::string& helper, const std::string& domain,
                                              const std::string& file) {
    const Result<std::string> answer = run_credential_helper(helper, "get", server_of(domain));
    if (!answer) {
        if (answer.error().to_string().find("credentials not found") != std::string::npos)
            return std::optional<Credentials>();
        Error error = answer.error();
        return std::move(error).doing("ask for the credentials of '{}', as '{}' says", domain,
                                      file);
    }
    const Json json = TRY(parse_json(*answer, "the answer of docker-credential-" + helper));
    Credentials found;
    found.user = string_or(json, "Username");
    found.secret = string_or(json, "Secret");
    if (found.user == "<token>") {
        found.identity_token = std::move(found.secret);
        found.user.clear();
        found.secret.clear();
    }
    found.source = fmt::format("docker-credential-{}, as {} says", helper, file);
    return std::optional<Credentials>(std::move(found));
}

Result<std::optional<Credentials>> entry_of(const Json& entry, const std::string& key,
                                            const std::string& file) {
    Credentials found;
    found.identity_token = string_or(entry, "identitytoken");
    found.registry_token = string_or(entry, "registrytoken");
    found.user = string_or(entry, "username");
    found.secret = string_or(entry, "password");
    if (const std::string auth = string_or(entry, "auth"); !auth.empty()) {
        const auto plain = from_base64(auth);
        const std::size_t colon = plain ? plain->find(':') : std::string::npos;
        if (colon == std::string::npos)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("the 'auth' of '{}' in '{}' is not base64 of user:password",
                                     printable(key), file))
                .help("log in again: davit login");
        found.user = plain->substr(0, colon);
        found.secret = plain->substr(colon + 1);
        while (found.secret.ends_with('\0')) found.secret.pop_back();
    }
    if (found.anonymous()) return std::optional<Credentials>();
    found.source = found.user.empty() ? "a token of " + file
                                      : fmt::format("'{}' of {}", printable(found.user), file);
    return std::optional<Credentials>(std::move(found));
}

Result<std::optional<Credentials>> look_in(const Json& config, const std::string& domain,
                                           const std::string& file) {
    if (const Json* helpers = member(config, "credHelpers"))
        for (const std::string& key : keys_of(domain))
            if (const std::string helper =
                    helpers->is_object() ? string_or(*helpers, key.c_str()) : "";
                !helper.empty())
                return ask_helper(helper, domain, file);
    if (const std::string store = string_or(config, "credsStore"); !store.empty()) {
        std::optional<Credentials> found = TRY(ask_helper(store, domain, file));
        if (found) return found;
    }
    const Json* auths = member(config, "auths");
    for (const std::string& key : keys_of(domain)) {
        const Json* entry = auths == nullptr ? nullptr : member(*auths, key.c_str());
        if (entry == nullptr) continue;
        std::optional<Credentials> found = TRY(entry_of(*entry, key, file));
        if (found) return found;
    }
    return std::optional<Credentials>();
}

Result<Json> read_config(const std::string& file) {
    Result<Json> config = read_json(file);
    if (!config && config.error().kind() == ErrorKind::NotFound) return Json(Json::object());
    if (!config) return config;
    if (!config->is_object())
        return Error(ErrorKind::InvalidInput, fmt::format("'{}' is no JSON object", file));
    return config;
}

std::string helper_for(const Json& config, const std::string& domain) {
    if (const Json* helpers = member(config, "credHelpers"))
        for (const std::string& key : keys_of(domain))
            if (const std::string helper = string_or(*helpers, key.c_str()); !helper.empty())
                return helper;
    return string_or(config, "credsStore");
}

}  // namespace

std::string base64(std::string_view bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j)
            group = group << 8U |
                    (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
        for (std::size_t j = 0; j < 4; ++j)
            text += i + j > bytes.size() ? '=' : kBase64Letters[group >> (18 - 6 * j) & 63U];
    }
    return text;
}

Result<Credentials> find_credentials(const std::vector<std::string>& files,
                                     const std::string& domain) {
    Credentials anonymous;
    std::string looked;
    for (const std::string& file : files) {
        const Json config = TRY(read_config(file));
        std::optional<Credentials> found = TRY(look_in(config, domain, file));
        if (found) return *std::move(found);
        looked += (looked.empty() ? "" : " or ") + file;
    }
    if (!looked.empty())
        anonymous.source = fmt::format("anonymous; no entry for {} in {}", domain, looked);
    return anonymous;
}

Result<std::string> store_credentials(const std::string& file, const std::string& domain,
                                      const Credentials& credentials) {
    Json config = TRY(read_config(file));
    const std::string helper = helper_for(config, domain);
    const bool by_token = !credentials.identity_token.empty();
    if (!helper.empty()) {
        const Json given = {{"ServerURL", server_of(domain)},
                            {"Username", by_token ? "<token>" : credentials.user},
                            {"Secret", by_token ? credentials.identity_token : credentials.secret}};
        const Result<std::string> text =
            decode_json(given, "credentials", [](const Json& json) { return json.dump(); });
        if (!text)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("the name or the password is not UTF-8, and docker-credential-"
                                     "{} takes nothing else",
                                     helper));
        (void)TRY(run_credential_helper(helper, "store", *text));
        return helper;
    }
    Json entry = {{"auth", base64(credentials.user + ":" + (by_token ? "" : credentials.secret))}};
    if (by_token) entry["identitytoken"] = credentials.identity_token;
    config["auths"][server_of(domain)] = std::move(entry);
    TRY(make_directories(file.substr(0, file.rfind('/')), 0700));
    TRY(write_json(file, config, Sync::Yes, 0600));
    return std::string();
}

Result<bool> erase_credentials(const std::string& file, const std::string& domain) {
    Json config = TRY(read_config(file));
    bool any = false;
    if (const std::string helper = helper_for(config, domain); !helper.empty())
        any = run_credential_helper(helper, "erase", server_of(domain)).ok();
    if (config.contains("auths") && config["auths"].is_object()) {
        bool changed = false;
        for (const std::string& key : keys_of(domain)) changed |= config["auths"].erase(key) > 0;
        if (changed) TRY(write_json(file, config, Sync::Yes, 0600));
        any |= changed;
    }
    return any;
}

}  // namespace davit::image
