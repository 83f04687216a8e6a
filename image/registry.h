#pragma once

#include "base/json.h"
#include "base/result.h"
#include "image/credentials.h"
#include "image/http.h"
#include "image/reference.h"
#include "image/registry_rules.h"
#include "image/store_files.h"

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace davit::image {

/// What the host's configuration says about one registry.
struct RegistryHost {
    std::vector<std::string> mirrors =
        {};                 ///< "https://mirror.example.com", asked first, in order.
    bool insecure = false;  ///< Plain http, or any certificate.
    TlsOptions tls = {};
};

struct RegistrySettings {
    std::map<std::string, RegistryHost> hosts = {};     ///< By domain: "docker.io".
    std::vector<RegistryRule> rules = {};               ///< Of domains that `hosts` has not.
    std::vector<std::string> credential_files = {};     ///< In order; see find_credentials.
    std::vector<std::string> certificate_folders = {};  ///< With HOST:PORT/ca.crt and the like.
    std::chrono::milliseconds first_delay{500};         ///< Between tries; doubles up to 8 s.
    int tries = 6;                                      ///< Of a request, without progress.
    int stall_seconds = 30;
    std::function<bool()> cancelled = {};
};

/// One place that serves a repository: the registry or a mirror of it.
struct Endpoint {
    std::string host = {};  ///< "registry-1.docker.io", with a port where it has one.
    std::string base = {};  ///< "https://registry-1.docker.io"; its scheme is found out where
                            ///< plain http is allowed too.
    bool plain_allowed = false;
    bool settled = false;  ///< `base` has answered.
    bool mirror = false;
    std::string repository = {};  ///< What the repository is called there; empty: as everywhere.
    bool tags = true;             ///< May be asked what a tag means.
    bool digests = true;          ///< May be asked for a manifest by its digest.
    TlsOptions tls = {};
};

/// Decides whether a request is made again, and waits before it: 408, 429 and 5xx, broken and
/// stalled connections; after Retry-After, or after a delay that doubles. What can't be reached at
/// all is tried three times.
class Backoff {
public:
    explicit Backoff(const RegistrySettings& settings, int tries)
        : settings_(settings), tries_(tries) {}
    bool again(const HttpResponse& response, bool progressed = false);

private:
    const RegistrySettings& settings_;
    int tries_;
    int failures_ = 0;
};

/// One registry, as a user of it with credentials, tokens, mirrors and retries. For one repository
/// path at a time; safe from several threads.
/// @source OCI distribution-spec; Docker token authentication
class Registry {
public:
    /// What it is opened for: `Write` goes to the registry of that name, whatever rules say of
    /// where images come from.
    enum class Use { Read, Write };
    /// @param path of the repository; empty: none in particular
    /// @errors PermissionDenied where a rule blocks it
    static Result<std::unique_ptr<Registry>> open(const RegistrySettings& settings,
                                                  const std::string& domain,
                                                  const std::string& path, Use use);

    struct Document {
        std::string bytes = {};
        std::string media_type = {};
        std::string digest = {};  ///< "sha256:…" of the bytes.
        std::string host = {};    ///< That answered.
    };
    /// The manifest or index `reference` (tag or digest), checked against the digest where it is
    /// one. @errors NotFound, PermissionDenied, with registry, code and source of the credentials
    Result<Document> manifest(const std::string& path, const std::string& reference);

    /// The digest that a tag stands for now, by one HEAD; nothing where the registry doesn't say.
    Result<std::optional<std::string>> tag_digest(const std::string& path, const std::string& tag);

    /// All tags of a repository. @errors NotFound, PermissionDenied
    Result<std::vector<std::string>> tags(const std::string& path);

    /// A small blob, whole and checked.
    Result<std::string> document(const std::string& path, const Blob& blob);

    /// Gets the blob's bytes from `offset()` on into `take`, again and again until there are
    /// `blob.size` of them or it is of no use. `urls`: of a foreign layer. `offset` counts.
    struct BlobRequest {
        std::string path = {};
        Blob blob = {};
        std::vector<std::string> urls = {};
        std::function<std::int64_t()> offset = {};
        std::function<Result<void>(std::string_view)> take = {};
        std::function<void()> retrying = {};
    };
    Result<void> blob(const BlobRequest& request);

    // For push and login; see push.cpp.
    HttpResponse ask(Endpoint& endpoint, HttpRequest request, const std::string& scope);
    HttpResponse ask_again(Endpoint& endpoint, const HttpRequest& request, const std::string& scope,
                           int tries);
    Endpoint& upstream() { return endpoints_.back(); }
    /// Its address as far as it is known by now.
    std::string base_of(const Endpoint& endpoint) const;
    Error failure(const HttpResponse& response, const Endpoint& endpoint,
                  const std::string& what) const;
    const RegistrySettings& settings() const { return settings_; }
    Http& http() const { return http_; }
    void use(Credentials credentials) { credentials_ = std::move(credentials); }

private:
    Registry(const RegistrySettings& settings, std::string domain, Http& http)
        : settings_(settings), domain_(std::move(domain)), http_(http) {}
    Endpoint& add_endpoint(const std::string& address, bool mirror, bool insecure);
    Result<void> add_by_rule(const RegistryRule& rule, const std::string& path, Use use);
    HttpResponse on_either_scheme(Endpoint& endpoint, HttpRequest request);
    Result<std::string> authorize(const Endpoint& endpoint, const HttpResponse& challenge,
                                  const std::string& scope);
    Result<std::string> fetch_token(const Endpoint& endpoint, const std::string& realm,
                                    const std::string& service, const std::string& scope);
    HttpRequest get(const Endpoint& endpoint, const std::string& rest) const;

    const RegistrySettings& settings_;
    std::string domain_;
    Http& http_;
    Credentials credentials_;
    std::vector<Endpoint> endpoints_;  ///< Mirrors first, the registry itself last.
    mutable std::mutex mutex_;         ///< Guards what follows, and what endpoints find out.
    std::map<std::string, std::string> authorizations_;  ///< By host and scope.
};

/// "Bearer realm=…,service=…" into its parts; the scheme, in lower case, is "scheme".
std::map<std::string, std::string> parse_challenge(std::string_view header);

}  // namespace davit::image
