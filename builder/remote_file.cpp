#include "builder/remote_file.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/sys.h"
#include "image/http.h"
#include "image/store_files.h"

#include <ctime>
#include <fcntl.h>
#include <fmt/format.h>
#include <utility>

namespace davit::builder {
namespace {

constexpr int kVersion = 1;
constexpr long kNotModified = 304;

std::string notes_path(const std::string& url, const RemoteOptions& options) {
    return fmt::format("{}/build/urls/{}.json", options.data_root, sha256_hex(url));
}

/// "/a/b.tar?x" of an address: "b.tar".
std::string name_of(const std::string& url) {
    const std::size_t host = url.find("://") + 3;
    const std::string path = url.substr(host, url.find_first_of("?#", host) - host);
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos || slash + 1 == path.size()) return "__unnamed__";
    const std::string name = path.substr(slash + 1);
    return name == "." || name == ".." ? "__unnamed__" : name;
}

/// An HTTP date; 0 where it is none. @source RFC 9110, 5.6.7
std::int64_t seconds_of(const std::string& date) {
    std::tm parts{};
    if (::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts) == nullptr) return 0;
    return ::timegm(&parts);
}

/// A user and password in an address are nobody else's business.
std::string shown(const std::string& url) {
    const std::size_t host = url.find("://") + 3;
    const std::size_t at = url.find('@', host);
    if (at == std::string::npos || at > url.find('/', host)) return printable(url);
    return printable(url.substr(0, host) + url.substr(at + 1));
}

Error refused(const std::string& url, const image::HttpResponse& response) {
    using Failure = image::HttpResponse::Failure;
    if (response.failure == Failure::Cancelled)
        return {ErrorKind::Cancelled, "the build was interrupted"};
    if (response.local) return Error(*response.local).doing("fetch '{}'", shown(url));
    if (response.failure != Failure::None)
        return Error(ErrorKind::System, printable(response.why))
            .doing("fetch '{}'", shown(url))
            .help("see whether this host can reach it");
    constexpr long kMissing = 404;
    const bool missing = response.status == kMissing;
    return Error(missing ? ErrorKind::NotFound : ErrorKind::System,
                 fmt::format("the server answers {}", response.status))
        .doing("fetch '{}'", shown(url))
        .help("correct the address");
}

/// One download into a new file of the folder; nothing in `path` where it was not modified.
class Transfer {
public:
    Transfer(std::string url, const RemoteOptions& options)
        : url_(std::move(url)), options_(options) {}

    Result<image::HttpResponse> perform(std::vector<std::string> headers) {
        image::Http* http = TRY(image::Http::shared());
        TRY(make_directories(options_.folder, 0700));
        path_ = options_.folder + "/" + sha256_hex(url_).substr(0, 16);
        file_ = TRY(sys::open(path_, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
        image::HttpRequest request;
        request.url = url_;
        request.headers = std::move(headers);
        request.cancelled = options_.cancelled;
        request.on_body = [this](long, std::string_view bytes) {
            digest_.update(bytes);
            return write_all(file_, bytes);
        };
        image::HttpResponse response = http->perform(request);
        if (!response.ok() && response.status != kNotModified) return refused(url_, response);
        if (response.failure != image::HttpResponse::Failure::None) return refused(url_, response);
        return response;
    }

    /// What was downloaded.
    RemoteFile file(const image::HttpResponse& response) && {
        return {url_, name_of(url_), std::move(digest_).hex(), path_,
                seconds_of(response.header("last-modified"))};
    }

private:
    std::string url_;
    const RemoteOptions& options_;
    std::string path_;
    UniqueFd file_;
    Sha256 digest_;
};

Result<void> remember(const RemoteFile& file, const image::HttpResponse& response,
                      const RemoteOptions& options) {
    const std::string etag = response.header("etag");
    const std::string modified = response.header("last-modified");
    if (etag.empty() && modified.empty()) return {};
    TRY(make_directories(options.data_root + "/build/urls", 0700));
    return write_json(notes_path(file.url, options),
                      {{"version", kVersion},
                       {"etag", etag},
                       {"last_modified", modified},
                       {"digest", file.digest}},
                      Sync::No);
}

}  // namespace

bool is_url(const std::string& text) {
    return text.starts_with("http://") || text.starts_with("https://");
}

Result<RemoteFile> look_at_url(const std::string& url, const std::string& checksum,
                               const RemoteOptions& options) {
    if (!checksum.empty()) {
        if (!checksum.starts_with("sha256:"))
            return Error(ErrorKind::Unsupported,
                         fmt::format("--checksum is '{}'", printable(checksum)))
                .help("write sha256: and 64 hexadecimal digits");
        const std::string digest =
            TRY_DOING(image::hex_of(checksum), "read --checksum '{}'", printable(checksum));
        return RemoteFile{url, name_of(url), digest, {}, 0};
    }
    std::vector<std::string> headers;
    const auto notes = read_record(notes_path(url, options), kVersion);
    if (notes && !options.fresh) {
        if (const std::string etag = string_or(*notes, "etag"); !etag.empty())
            headers.push_back("If-None-Match: " + etag);
        if (const std::string date = string_or(*notes, "last_modified"); !date.empty())
            headers.push_back("If-Modified-Since: " + date);
    }
    Transfer transfer(url, options);
    const image::HttpResponse response = TRY(transfer.perform(headers));
    if (response.status == kNotModified && !headers.empty())
        return RemoteFile{url,
                          name_of(url),
                          string_or(*notes, "digest"),
                          {},
                          seconds_of(string_or(*notes, "last_modified"))};
    if (!response.ok()) return refused(url, response);
    RemoteFile file = std::move(transfer).file(response);
    TRY(remember(file, response, options));
    return file;
}

Result<void> bring_file(RemoteFile& file, const RemoteOptions& options) {
    if (!file.path.empty()) return {};
    Transfer transfer(file.url, options);
    const image::HttpResponse response = TRY(transfer.perform({}));
    if (!response.ok()) return refused(file.url, response);
    RemoteFile brought = std::move(transfer).file(response);
    if (brought.digest != file.digest)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' has the digest sha256:{}, and sha256:{} is expected",
                                 shown(file.url), brought.digest, file.digest))
            .help("see what changed there before you trust it");
    file = std::move(brought);
    return {};
}

}  // namespace davit::builder
