#include "image/http.h"

#include "base/strings.h"
#include "base/sys.h"

#include <cstdio>
#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <mutex>
#include <sys/stat.h>
#include <unistd.h>
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#undef curl_easy_setopt
#undef curl_easy_getinfo

namespace davit::image {
namespace {

constexpr int kMostRedirects = 8;
constexpr std::size_t kLargestBody = (4U << 20U) + 1024;
constexpr std::size_t kMostOfHeaders = 256U << 10U;
constexpr long kBufferSize = 512L << 10U;
constexpr long kSlowest = 1000;
constexpr long kConnectSeconds = 30;

/// The functions of libcurl that are used. curl_version() is not among them: it asks for the
/// host's own name, which takes as long as the resolver takes.
struct Library {
    decltype(&curl_global_init) global_init = nullptr;
    decltype(&curl_easy_init) make = nullptr;
    decltype(&curl_easy_reset) reset = nullptr;
    decltype(&curl_easy_perform) perform = nullptr;
    decltype(&curl_easy_setopt) set = nullptr;
    decltype(&curl_easy_getinfo) get = nullptr;
    decltype(&curl_easy_strerror) words = nullptr;
    decltype(&curl_slist_append) append = nullptr;
    decltype(&curl_slist_free_all) free_list = nullptr;
    decltype(&curl_url) url = nullptr;
    decltype(&curl_url_cleanup) free_url = nullptr;
    decltype(&curl_url_set) url_set = nullptr;
    decltype(&curl_url_get) url_get = nullptr;
    decltype(&curl_free) release = nullptr;
};

template <typename Function>
bool find(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(library, name));
    return function != nullptr;
}

Result<Library> open_library() {
    void* handle = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);  // never closed
    Library f;
    if (handle != nullptr && find(handle, "curl_global_init", f.global_init) &&
        find(handle, "curl_easy_init", f.make) && find(handle, "curl_easy_reset", f.reset) &&
        find(handle, "curl_easy_perform", f.perform) && find(handle, "curl_easy_setopt", f.set) &&
        find(handle, "curl_easy_getinfo", f.get) && find(handle, "curl_easy_strerror", f.words) &&
        find(handle, "curl_slist_append", f.append) &&
        find(handle, "curl_slist_free_all", f.free_list) && find(handle, "curl_url", f.url) &&
        find(handle, "curl_url_cleanup", f.free_url) && find(handle, "curl_url_set", f.url_set) &&
        find(handle, "curl_url_get", f.url_get) && find(handle, "curl_free", f.release) &&
        f.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        return f;
    const char* problem = ::dlerror();  // NOLINT(concurrency-mt-unsafe)
    return Error(ErrorKind::Unsupported,
                 fmt::format("libcurl can't be loaded: {}", problem == nullptr ? "?" : problem))
        .help("install the package libcurl4");
}

HttpResponse::Failure failure_of(CURLcode code) {
    switch (code) {
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY: return HttpResponse::Failure::Resolve;
        case CURLE_COULDNT_CONNECT: return HttpResponse::Failure::Connect;
        case CURLE_SSL_CONNECT_ERROR: return HttpResponse::Failure::Handshake;
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_CIPHER: return HttpResponse::Failure::Tls;
        case CURLE_OPERATION_TIMEDOUT: return HttpResponse::Failure::Stalled;
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_URL_MALFORMAT: return HttpResponse::Failure::Local;
        default: return HttpResponse::Failure::Broken;
    }
}

/// One request on its way; what the callbacks of libcurl write to.
struct Transfer {
    const HttpRequest& request;
    HttpResponse response = {};
    UniqueFd upload = {};
    std::size_t header_bytes = 0;
};

std::size_t take_header(char* text, std::size_t, std::size_t size, void* context) {
    auto& transfer = *static_cast<Transfer*>(context);
    // Old libcurls take headers for as long as they come.
    transfer.header_bytes += size;
    if (transfer.header_bytes > kMostOfHeaders) {
        transfer.response.local =
            Error(ErrorKind::InvalidInput, "the answer has more than 256 KiB of headers");
        return 0;
    }
    const std::string_view line = trim({text, size});
    if (line.starts_with("HTTP/")) {
        // After "100 Continue" or a proxy's answer the real one begins.
        transfer.response.headers.clear();
        const std::size_t blank = line.find(' ');
        const auto status = blank == std::string_view::npos
                                ? std::nullopt
                                : parse_integer(trim(line.substr(blank, 4)));
        transfer.response.status = status ? static_cast<long>(*status) : 0;
        return size;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return size;
    transfer.response.headers[lowered(line.substr(0, colon))] = trim(line.substr(colon + 1));
    return size;
}

std::size_t take_body(char* bytes, std::size_t, std::size_t size, void* context) {
    auto& transfer = *static_cast<Transfer*>(context);
    HttpResponse& response = transfer.response;
    const bool wanted = response.status >= 200 && response.status < 300;
    if (wanted && transfer.request.on_body) {
        Result<void> taken = transfer.request.on_body(response.status, {bytes, size});
        if (taken) return size;
        response.local = std::move(taken).error();
        return 0;
    }
    if (response.body.size() + size > kLargestBody) {
        response.local = Error(ErrorKind::InvalidInput, "the answer is larger than 4 MiB");
        return 0;
    }
    response.body.append(bytes, size);
    return size;
}

std::size_t give_body(char* buffer, std::size_t, std::size_t size, void* context) {
    const auto& transfer = *static_cast<Transfer*>(context);
    const ssize_t got =
        sys::retry_on_eintr([&] { return ::read(transfer.upload.get(), buffer, size); });
    return got < 0 ? CURL_READFUNC_ABORT : static_cast<std::size_t>(got);
}

int seek_body(void* context, curl_off_t offset, int origin) {
    const auto& transfer = *static_cast<Transfer*>(context);
    return ::lseek(transfer.upload.get(), offset, origin) == -1 ? CURL_SEEKFUNC_FAIL
                                                                : CURL_SEEKFUNC_OK;
}

int ask_to_go_on(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const auto& transfer = *static_cast<Transfer*>(context);
    return transfer.request.cancelled && transfer.request.cancelled() ? 1 : 0;
}

}  // namespace

struct Http::Handles {
    Library curl;
    std::mutex mutex;
    std::vector<CURL*> idle;

    CURL* take() {
        const std::lock_guard lock(mutex);
        if (idle.empty()) return curl.make();
        CURL* handle = idle.back();
        idle.pop_back();
        curl.reset(handle);  // keeps its connections
        return handle;
    }
    void give_back(CURL* handle) {
        const std::lock_guard lock(mutex);
        idle.push_back(handle);
    }
};

Result<Http*> Http::shared() {
    static const Result<Http*> made = []() -> Result<Http*> {
        auto handles = std::make_unique<Handles>();
        handles->curl = TRY(open_library());
        return new Http(handles.release());  // NOLINT: lives as long as the process
    }();
    return made;
}

HttpResponse Http::once(const HttpRequest& request, const std::string& url, bool authorized) {
    const Library& curl = handles_->curl;
    CURL* handle = handles_->take();
    Transfer transfer{request};
    transfer.response.url = url;
    std::vector<std::string> lines = request.headers;
    if (authorized && !request.authorization.empty())
        lines.push_back("Authorization: " + request.authorization);
    lines.emplace_back("Expect:");  // an upload needn't ask first
    curl_slist* headers = nullptr;
    for (const std::string& line : lines) headers = curl.append(headers, line.c_str());
    char words[CURL_ERROR_SIZE] = {};

    curl.set(handle, CURLOPT_URL, url.c_str());
    curl.set(handle, CURLOPT_HTTPHEADER, headers);
    curl.set(handle, CURLOPT_USERAGENT, "davit");
    curl.set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl.set(handle, CURLOPT_NOSIGNAL, 1L);
    curl.set(handle, CURLOPT_BUFFERSIZE, kBufferSize);
    curl.set(handle, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl.set(handle, CURLOPT_LOW_SPEED_LIMIT, kSlowest);
    curl.set(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.stall_seconds));
    curl.set(handle, CURLOPT_ERRORBUFFER, words);
    curl.set(handle, CURLOPT_HEADERFUNCTION, take_header);
    curl.set(handle, CURLOPT_HEADERDATA, &transfer);
    curl.set(handle, CURLOPT_WRITEFUNCTION, take_body);
    curl.set(handle, CURLOPT_WRITEDATA, &transfer);
    curl.set(handle, CURLOPT_NOPROGRESS, 0L);
    curl.set(handle, CURLOPT_XFERINFOFUNCTION, ask_to_go_on);
    curl.set(handle, CURLOPT_XFERINFODATA, &transfer);
    curl.set(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (request.tls.insecure) {
        curl.set(handle, CURLOPT_SSL_VERIFYPEER, 0L);
        curl.set(handle, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (!request.tls.ca.empty()) curl.set(handle, CURLOPT_CAINFO, request.tls.ca.c_str());
    if (!request.tls.cert.empty()) curl.set(handle, CURLOPT_SSLCERT, request.tls.cert.c_str());
    if (!request.tls.key.empty()) curl.set(handle, CURLOPT_SSLKEY, request.tls.key.c_str());
    if (request.method == "HEAD") {
        curl.set(handle, CURLOPT_NOBODY, 1L);
    } else if (!request.upload_file.empty()) {
        struct stat info {};
        transfer.upload.reset(::open(request.upload_file.c_str(), O_RDONLY | O_CLOEXEC));
        if (!transfer.upload || ::fstat(transfer.upload.get(), &info) == -1) info.st_size = 0;
        curl.set(handle, CURLOPT_UPLOAD, 1L);
        curl.set(handle, CURLOPT_READFUNCTION, give_body);
        curl.set(handle, CURLOPT_READDATA, &transfer);
        curl.set(handle, CURLOPT_SEEKFUNCTION, seek_body);
        curl.set(handle, CURLOPT_SEEKDATA, &transfer);
        curl.set(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(info.st_size));
    } else if (request.body) {
        curl.set(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                 static_cast<curl_off_t>(request.body->size()));
        curl.set(handle, CURLOPT_POSTFIELDS, request.body->data());
    }
    if (request.method != "GET" && request.method != "HEAD")
        curl.set(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());

    const CURLcode code = curl.perform(handle);
    HttpResponse& response = transfer.response;
    if (code != CURLE_OK) {
        response.failure = failure_of(code);
        if (code == CURLE_ABORTED_BY_CALLBACK) response.failure = HttpResponse::Failure::Cancelled;
        if (response.local) response.failure = HttpResponse::Failure::Local;
        response.why = words[0] == '\0' ? curl.words(code) : words;
    }
    curl.free_list(headers);
    handles_->give_back(handle);
    return std::move(transfer.response);
}

HttpResponse Http::perform(const HttpRequest& request) {
    std::string url = request.url;
    const std::string home = origin(url);
    for (int hop = 0;; ++hop) {
        HttpResponse response = once(request, url, origin(url) == home);
        const bool redirect = response.status == 301 || response.status == 302 ||
                              response.status == 303 || response.status == 307 ||
                              response.status == 308;
        if (response.failure != HttpResponse::Failure::None || !redirect) return response;
        const auto give_up = [&](std::string why) {
            response.failure = HttpResponse::Failure::Local;
            response.why = std::move(why);
            return response;
        };
        if (hop == kMostRedirects) return give_up("it redirects in circles");
        // A body would have to be given again; no registry asks for that.
        if (request.body || !request.upload_file.empty()) return response;
        const Result<std::string> next = resolve(url, response.header("location"));
        if (!next) return give_up("it redirects to no address");
        if (url.starts_with("https:") && !next->starts_with("https:"))
            return give_up(fmt::format("it redirects from https to '{}'", origin(*next)));
        url = *next;
    }
}

Result<std::string> Http::resolve(const std::string& base, const std::string& location) const {
    const Library& curl = handles_->curl;
    CURLU* url = curl.url();
    char* text = nullptr;
    const bool found = !location.empty() &&
                       curl.url_set(url, CURLUPART_URL, base.c_str(), 0) == CURLUE_OK &&
                       curl.url_set(url, CURLUPART_URL, location.c_str(), 0) == CURLUE_OK &&
                       curl.url_get(url, CURLUPART_URL, &text, 0) == CURLUE_OK;
    std::string result = found ? text : "";
    curl.release(text);
    curl.free_url(url);
    if (result.starts_with("http://") || result.starts_with("https://")) return result;
    return Error(ErrorKind::InvalidInput,
                 fmt::format("'{}' is no address", printable(location.substr(0, 200))));
}

std::string Http::origin(const std::string& text) const {
    const Library& curl = handles_->curl;
    CURLU* url = curl.url();
    std::string result;
    if (curl.url_set(url, CURLUPART_URL, text.c_str(), 0) == CURLUE_OK) {
        for (const CURLUPart part : {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT}) {
            char* piece = nullptr;
            if (curl.url_get(url, part, &piece, CURLU_DEFAULT_PORT) == CURLUE_OK)
                result += (part == CURLUPART_SCHEME ? ""
                           : part == CURLUPART_HOST ? "://"
                                                    : ":") +
                          std::string(piece);
            curl.release(piece);
        }
    }
    curl.free_url(url);
    return result;
}

}  // namespace davit::image
