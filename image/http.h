#pragma once

#include "base/result.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace davit::image {

/// How a server proves who it is, and how we do.
struct TlsOptions {
    bool insecure = false;  ///< Take any certificate.
    std::string ca = {};    ///< File with authorities; empty: the system's.
    std::string cert = {};
    std::string key = {};
};

struct HttpRequest {
    std::string method = "GET";
    std::string url = {};
    std::vector<std::string> headers = {};  ///< "Accept: …"
    std::string authorization = {};         ///< Sent to the origin of `url` alone.
    std::optional<std::string> body = {};   ///< Of a POST or PUT.
    std::string upload_file = {};           ///< Or the file that is the body.
    TlsOptions tls = {};
    int stall_seconds = 30;                ///< Slower than 1 kB/s for so long: broken.
    std::function<bool()> cancelled = {};  ///< Asked about once a second, or more often.
    /// Takes the body of a 2xx answer in pieces, `status` being known; else it is kept in `body`.
    std::function<Result<void>(long status, std::string_view)> on_body = {};
};

/// What came of a request: an answer, or why there is none.
struct HttpResponse {
    /// Handshake: TLS is perhaps not spoken there at all; Tls: it is, but not as it should be.
    enum class Failure {
        None,
        Resolve,
        Connect,
        Handshake,
        Tls,
        Broken,
        Stalled,
        Cancelled,
        Local
    };
    Failure failure = Failure::None;
    std::string why = {};                             ///< Of the failure, in words.
    std::optional<Error> local = {};                  ///< What `on_body` said; with Failure::Local.
    long status = 0;                                  ///< Also set where the body broke off.
    std::map<std::string, std::string> headers = {};  ///< Names in lower case.
    std::string body = {};                            ///< At most 4 MiB and a bit.
    std::string url = {};                             ///< That answered, redirects followed.

    bool ok() const { return failure == Failure::None && status >= 200 && status < 300; }
    std::string header(const std::string& name) const {
        const auto found = headers.find(name);
        return found == headers.end() ? std::string() : found->second;
    }
};

/// HTTP by libcurl, which is opened when it is first needed: loading it and its thirty libraries
/// costs milliseconds that other commands save. Safe from several threads; connections are kept
/// and used again. Proxies are those of the environment (http_proxy, https_proxy, no_proxy).
class Http {
public:
    /// @errors Unsupported where libcurl is not installed
    static Result<Http*> shared();

    /// Follows at most 8 redirects. `authorization` goes to the origin of `url` and nowhere else;
    /// a redirect from https to http is refused.
    HttpResponse perform(const HttpRequest& request);

    /// `location` as seen from `base`. @errors InvalidInput
    Result<std::string> resolve(const std::string& base, const std::string& location) const;
    /// "https://host:443": what credentials belong to.
    std::string origin(const std::string& url) const;

private:
    struct Handles;
    explicit Http(Handles* handles) : handles_(handles) {}
    HttpResponse once(const HttpRequest& request, const std::string& url, bool authorized);
    Handles* handles_;  // for the life of the process
};

}  // namespace davit::image
