#include "image/registry.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/random.h"
#include "base/strings.h"
#include "image/digests.h"
#include "image/retry_after.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <thread>

namespace davit::image {
namespace {

using Failure = HttpResponse::Failure;

constexpr const char* kAccepted =
    "Accept: application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::chrono::milliseconds kLongestDelay{8000};
/// A registry that asks for more patience than this is not waited for.
constexpr std::chrono::seconds kLongestWait{120};
constexpr int kTriesOfMirror = 2;
constexpr int kTriesToReach = 3;

bool is_loopback(const std::string& host) {
    const std::string name =
        host.starts_with('[') ? host.substr(0, host.find(']') + 1) : host.substr(0, host.find(':'));
    return name == "localhost" || name.ends_with(".localhost") || name.starts_with("127.") ||
           name == "[::1]";
}

bool is_transient(const HttpResponse& response) {
    switch (response.failure) {
        case Failure::Resolve:
        case Failure::Connect:
        case Failure::Broken:
        case Failure::Stalled: return true;
        case Failure::Handshake:
        case Failure::Tls:
        case Failure::Cancelled:
        case Failure::Local: return false;
        case Failure::None: break;
    }
    const long status = response.status;
    return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

/// Where Docker Hub answers.
std::string host_of(const std::string& domain) {
    return domain == "docker.io" ? "registry-1.docker.io" : domain;
}

/// What the repository `path` is called at the endpoint.
const std::string& path_at(const Endpoint& endpoint, const std::string& path) {
    return endpoint.repository.empty() ? path : endpoint.repository;
}

/// {"errors": [{"code": …, "message": …}]} in words. @source OCI distribution-spec "Error Codes"
std::string words_of(const HttpResponse& response) {
    const Result<Json> json = parse_json(response.body, "answer");
    if (!json || !json->is_object()) return {};
    const auto errors = json->find("errors");
    if (errors == json->end() || !errors->is_array() || errors->empty()) {
        const auto details = json->find("details");
        return details != json->end() && details->is_string() ? details->get<std::string>() : "";
    }
    const Json& first = errors->front();
    if (!first.is_object()) return {};
    const auto text = [&](const char* key) {
        const auto found = first.find(key);
        return found != first.end() && found->is_string() ? found->get<std::string>() : "";
    };
    const std::string message = text("message");
    return printable(message.empty() ? text("code") : message).substr(0, 300);
}

}  // namespace

bool Backoff::again(const HttpResponse& response, bool progressed) {
    if (progressed) failures_ = 0;
    if (!is_transient(response)) return false;
    const bool unreachable =
        response.failure == Failure::Resolve || response.failure == Failure::Connect;
    if (++failures_ >= (unreachable ? std::min(tries_, kTriesToReach) : tries_)) return false;
    auto delay = std::min<std::chrono::milliseconds>(
        settings_.first_delay * (1 << std::min(failures_ - 1, 8)), kLongestDelay);
    // Many that were turned away at once must not come back at once.
    const auto seed = static_cast<unsigned char>(random_hex(1)[0]);
    delay += delay * (seed % 16) / 64;
    if (const auto wait = wait_asked(response, std::time(nullptr))) {
        if (*wait > kLongestWait) return false;
        delay = std::max<std::chrono::milliseconds>(delay, *wait);
    }
    const auto until = std::chrono::steady_clock::now() + delay;
    while (std::chrono::steady_clock::now() < until) {
        if (settings_.cancelled && settings_.cancelled()) return false;
        std::this_thread::sleep_for(std::min<std::chrono::milliseconds>(
            std::chrono::milliseconds(50), std::chrono::duration_cast<std::chrono::milliseconds>(
                                               until - std::chrono::steady_clock::now()) +
                                               std::chrono::milliseconds(1)));
    }
    return true;
}

Result<std::unique_ptr<Registry>> Registry::open(const RegistrySettings& settings,
                                                 const std::string& domain, const std::string& path,
                                                 Use use) {
    Http* http = TRY(Http::shared());
    std::unique_ptr<Registry> registry(new Registry(settings, domain, *http));
    const auto known = settings.hosts.find(domain);
    const RegistryRule* const rule =
        known == settings.hosts.end() ? find_rule(settings.rules, domain, path) : nullptr;
    if (rule != nullptr) {
        TRY(registry->add_by_rule(*rule, path, use));
    } else {
        if (known != settings.hosts.end())
            for (const std::string& mirror : known->second.mirrors)
                registry->add_endpoint(mirror, true, false);
        registry->add_endpoint(host_of(domain), false, false);
    }
    registry->credentials_ = TRY(find_credentials(settings.credential_files, registry->domain_));
    return registry;
}

/// From here on the registry is the one that the rule's location names, and has its credentials.
Result<void> Registry::add_by_rule(const RegistryRule& rule, const std::string& path, Use use) {
    if (rule.blocked)
        return Error(ErrorKind::PermissionDenied,
                     fmt::format("'{}' is blocked by {}", rule.prefix, rule.source))
            .help("take 'blocked' out there, or use an image of another registry");
    if (use == Use::Write) {
        add_endpoint(host_of(domain_), false, rule.insecure);
        return {};
    }
    for (const MirrorRule& mirror : rule.mirrors) {
        const auto [host, repository] = placed(rule, mirror.location, domain_, path);
        Endpoint& endpoint = add_endpoint(host_of(host), true, mirror.insecure);
        endpoint.repository = repository;
        endpoint.tags = mirror.tags;
        endpoint.digests = mirror.digests;
    }
    const auto [host, repository] = placed(rule, rule.location, domain_, path);
    domain_ = host;
    add_endpoint(host_of(host), false, rule.insecure).repository = repository;
    return {};
}

/// `address` is "host", "host:port" or has a scheme.
Endpoint& Registry::add_endpoint(const std::string& address, bool mirror, bool insecure) {
    Endpoint endpoint;
    endpoint.mirror = mirror;
    const bool plain = address.starts_with("http://");
    const std::size_t scheme = address.find("://");
    endpoint.host = scheme == std::string::npos ? address : address.substr(scheme + 3);
    while (endpoint.host.ends_with('/')) endpoint.host.pop_back();
    endpoint.base = (plain ? "http://" : "https://") + endpoint.host;
    endpoint.settled = scheme != std::string::npos;
    const auto known = settings_.hosts.find(mirror ? endpoint.host : domain_);
    if (known != settings_.hosts.end()) {
        endpoint.tls = known->second.tls;
        endpoint.tls.insecure = known->second.insecure;
    }
    endpoint.tls.insecure = endpoint.tls.insecure || insecure;
    endpoint.plain_allowed = plain || endpoint.tls.insecure || is_loopback(endpoint.host);
    for (const std::string& folder : settings_.certificate_folders) {
        const std::string own = folder + "/" + endpoint.host;
        if (endpoint.tls.ca.empty() && exists(own + "/ca.crt")) endpoint.tls.ca = own + "/ca.crt";
        if (endpoint.tls.cert.empty() && exists(own + "/client.cert")) {
            endpoint.tls.cert = own + "/client.cert";
            endpoint.tls.key = own + "/client.key";
        }
    }
    endpoints_.push_back(std::move(endpoint));
    return endpoints_.back();
}

std::string Registry::base_of(const Endpoint& endpoint) const {
    const std::lock_guard lock(mutex_);
    return endpoint.base;
}

HttpRequest Registry::get(const Endpoint& endpoint, const std::string& rest) const {
    HttpRequest request;
    request.url = base_of(endpoint) + rest;
    request.tls = endpoint.tls;
    request.stall_seconds = settings_.stall_seconds;
    request.cancelled = settings_.cancelled;
    return request;
}

/// https first; where plain http is allowed and https is not spoken there, that.
HttpResponse Registry::on_either_scheme(Endpoint& endpoint, HttpRequest request) {
    std::string base;
    bool settled = false;
    {
        const std::lock_guard lock(mutex_);
        base = endpoint.base;
        settled = endpoint.settled;
    }
    // The request was made before another thread found the scheme out.
    if (const std::size_t rest = request.url.find("/v2/");
        rest != std::string::npos && request.url.find(endpoint.host) != std::string::npos)
        request.url = base + request.url.substr(rest);
    HttpResponse response = http_.perform(request);
    const bool no_tls = response.failure == Failure::Handshake ||
                        response.failure == Failure::Connect || response.failure == Failure::Broken;
    if (!settled && endpoint.plain_allowed && no_tls && response.status == 0 &&
        request.url.starts_with("https:")) {
        request.url = "http" + request.url.substr(5);
        HttpResponse plain = http_.perform(request);
        if (plain.status == 0) {
            // It may be https that is meant to work there: both say why they don't.
            plain.why += fmt::format("; by https: {}", response.why);
            return plain;
        }
        response = std::move(plain);
        base = "http://" + endpoint.host;
    }
    if (response.status != 0) {
        const std::lock_guard lock(mutex_);
        if (!endpoint.settled) endpoint.base = base;
        endpoint.settled = true;
    }
    return response;
}

HttpResponse Registry::ask(Endpoint& endpoint, HttpRequest request, const std::string& scope) {
    const std::string key = endpoint.host + " " + scope;
    {
        const std::lock_guard lock(mutex_);
        const auto known = authorizations_.find(key);
        if (known != authorizations_.end()) request.authorization = known->second;
    }
    HttpResponse response = on_either_scheme(endpoint, request);
    if (response.status != 401 || response.failure != Failure::None) return response;
    // No token yet, or one that ran out meanwhile.
    Result<std::string> authorization = authorize(endpoint, response, scope);
    if (!authorization) {
        response.failure = Failure::Local;
        response.local = std::move(authorization).error();
        return response;
    }
    if (authorization->empty() || *authorization == request.authorization) return response;
    request.authorization = *authorization;
    response = on_either_scheme(endpoint, request);
    if (response.status != 401) {
        const std::lock_guard lock(mutex_);
        authorizations_[key] = *authorization;
    }
    return response;
}

HttpResponse Registry::ask_again(Endpoint& endpoint, const HttpRequest& request,
                                 const std::string& scope, int tries) {
    Backoff backoff(settings_, tries);
    for (;;) {
        HttpResponse response = ask(endpoint, request, scope);
        if (response.ok() || !backoff.again(response)) return response;
    }
}

Error Registry::failure(const HttpResponse& response, const Endpoint& endpoint,
                        const std::string& what) const {
    const std::string who = credentials_.source;
    if (response.failure == Failure::Cancelled) return Error(ErrorKind::Cancelled, "interrupted");
    if (response.local) return *response.local;
    if (response.failure != Failure::None) {
        const bool tls = response.failure == Failure::Tls || response.failure == Failure::Handshake;
        Error error(response.failure == Failure::Stalled ? ErrorKind::TimedOut : ErrorKind::System,
                    fmt::format("{} of {}: {}", what, endpoint.host, printable(response.why)));
        if (tls)
            return std::move(error).help(fmt::format(
                "put its authority into /etc/davit/certs.d/{}/ca.crt, or, where nobody can listen, "
                "allow it in /etc/davit/registries.yaml: insecure: true",
                endpoint.host));
        return error;
    }
    const std::string words = words_of(response);
    std::string text = fmt::format("{}: {} answered {}{}; credentials: {}", what, endpoint.host,
                                   response.status, words.empty() ? "" : " (" + words + ")", who);
    switch (response.status) {
        case 401:
        case 403:
            return Error(ErrorKind::PermissionDenied, std::move(text))
                .help(fmt::format("log in: davit login {}", domain_));
        case 404: return Error(ErrorKind::NotFound, std::move(text));
        case 429: {
            const std::string left = response.header("ratelimit-remaining");
            return Error(ErrorKind::Busy, std::move(text))
                .help(left.empty() ? fmt::format("log in, or wait: davit login {}", domain_)
                                   : fmt::format("its limit is used up ({} left): log in, or wait",
                                                 printable(left)));
        }
        default: return Error(ErrorKind::System, std::move(text));
    }
}

Result<Registry::Document> Registry::manifest(const std::string& path,
                                              const std::string& reference) {
    std::optional<Error> problem;
    const Result<std::string> wanted = digest_key(reference);  // none: it is a tag
    for (Endpoint& endpoint : endpoints_) {
        if (!(wanted ? endpoint.digests : endpoint.tags)) continue;
        const std::string& there = path_at(endpoint, path);
        const std::string scope = fmt::format("repository:{}:pull", there);
        HttpRequest request = get(endpoint, fmt::format("/v2/{}/manifests/{}", there, reference));
        request.headers = {kAccepted};
        const HttpResponse response =
            ask_again(endpoint, request, scope, endpoint.mirror ? kTriesOfMirror : settings_.tries);
        if (!response.ok()) {
            Error error = failure(response, endpoint, "manifest");
            if (error.kind() == ErrorKind::Cancelled) return error;
            problem = std::move(error);
            continue;  // a mirror needn't have everything, or be up
        }
        Document document;
        document.bytes = response.body;
        document.media_type = response.header("content-type");
        document.media_type = document.media_type.substr(0, document.media_type.find(';'));
        document.digest = "sha256:" + sha256_hex(document.bytes);
        document.host = endpoint.host;
        const std::string found =
            wanted ? full_digest(key_like(*wanted, document.bytes)) : reference;
        if (document.bytes.size() <= kLargestDocument && found == reference) return document;
        problem =
            Error(ErrorKind::InvalidInput, fmt::format("{} gave a manifest that is not {} but {}",
                                                       endpoint.host, reference, found));
    }
    return std::move(*problem);
}

Result<std::optional<std::string>> Registry::tag_digest(const std::string& path,
                                                        const std::string& tag) {
    Endpoint& endpoint = upstream();
    const std::string& there = path_at(endpoint, path);
    HttpRequest request = get(endpoint, fmt::format("/v2/{}/manifests/{}", there, tag));
    request.method = "HEAD";
    request.headers = {kAccepted};
    const HttpResponse response =
        ask_again(endpoint, request, fmt::format("repository:{}:pull", there), settings_.tries);
    if (!response.ok()) return failure(response, endpoint, "manifest");
    const std::string digest = response.header("docker-content-digest");
    if (!digest.starts_with("sha256:") || !hex_of(digest).ok()) return std::optional<std::string>();
    return std::optional<std::string>(digest);
}

Result<std::string> Registry::document(const std::string& path, const Blob& blob) {
    if (blob.size > static_cast<std::int64_t>(kLargestDocument))
        return Error(ErrorKind::InvalidInput,
                     fmt::format("document {} is larger than 4 MiB", full_digest(blob.digest)));
    std::string bytes;
    BlobRequest request;
    request.path = path;
    request.blob = blob;
    request.offset = [&] { return static_cast<std::int64_t>(bytes.size()); };
    request.take = [&](std::string_view more) -> Result<void> {
        bytes += more;
        return {};
    };
    TRY(this->blob(request));
    if (const std::string found = key_like(blob.digest, bytes); found != blob.digest)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("what {} gave for {} is {}", domain_, full_digest(blob.digest),
                                 full_digest(found)));
    return bytes;
}

Result<void> Registry::blob(const BlobRequest& wanted) {
    const std::string what = "layer " + short_digest(wanted.blob.digest);
    std::optional<Error> problem;
    const auto fetch = [&](Endpoint& endpoint, const std::string& url, int tries) -> bool {
        Backoff backoff(settings_, tries);
        const std::string scope = fmt::format("repository:{}:pull", path_at(endpoint, wanted.path));
        for (;;) {
            const std::int64_t begin = wanted.offset();
            HttpRequest request = get(endpoint, "");
            request.url = url;
            if (begin > 0) request.headers = {fmt::format("Range: bytes={}-", begin)};
            std::int64_t passed_over = 0;
            request.on_body = [&](long status, std::string_view bytes) -> Result<void> {
                // Not every server goes on in the middle: then what we have is passed over.
                if (status != 206 && passed_over < begin) {
                    const auto skip = std::min<std::int64_t>(
                        begin - passed_over, static_cast<std::int64_t>(bytes.size()));
                    passed_over += skip;
                    bytes.remove_prefix(static_cast<std::size_t>(skip));
                }
                if (wanted.offset() + static_cast<std::int64_t>(bytes.size()) > wanted.blob.size)
                    return Error(ErrorKind::InvalidInput,
                                 fmt::format("{}: {} gives more than the {} bytes it should have",
                                             what, endpoint.host, wanted.blob.size));
                return wanted.take(bytes);
            };
            HttpResponse response =
                wanted.urls.empty() ? ask(endpoint, request, scope) : http_.perform(request);
            const std::int64_t have = wanted.offset();
            if (have == wanted.blob.size && response.failure != Failure::Local) return true;
            if (response.ok()) {  // it ended too early, and nobody said so
                response.failure = Failure::Broken;
                response.why = fmt::format("the connection ended after {} of {} bytes", have,
                                           wanted.blob.size);
            }
            if (backoff.again(response, have > begin + (64 << 10))) {
                if (wanted.retrying) wanted.retrying();
                continue;
            }
            problem = failure(response, endpoint, what);
            return false;
        }
    };
    if (wanted.blob.size == 0) return {};
    for (const std::string& url : wanted.urls) {
        Endpoint foreign;
        foreign.host = url;
        if (fetch(foreign, url, settings_.tries)) return {};
    }
    for (Endpoint& endpoint : endpoints_) {
        const std::string url =
            fmt::format("{}/v2/{}/blobs/{}", base_of(endpoint), path_at(endpoint, wanted.path),
                        full_digest(wanted.blob.digest));
        const bool done = fetch(endpoint, url, endpoint.mirror ? kTriesOfMirror : settings_.tries);
        if (done) return {};
        if (problem->kind() == ErrorKind::Cancelled || problem->error_number() != 0) break;
    }
    return std::move(*problem);
}

}  // namespace davit::image
