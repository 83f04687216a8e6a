#include "image/push.h"

#include "base/digest.h"
#include "base/file.h"
#include "image/digests.h"

#include <algorithm>
#include <atomic>
#include <fmt/format.h>
#include <mutex>
#include <set>
#include <thread>

namespace davit::image {
namespace {

constexpr std::size_t kPushedAtOnce = 3;

/// Digests of the layers that the manifest says come from elsewhere: who pulls the image gets them
/// there, and the registry needn't have them. @source OCI image-spec, "Non-distributable Layers"
Result<std::set<std::string>> foreign_layers(const Json& manifest) {
    std::set<std::string> foreign;
    for (const Json& layer : manifest.at("layers")) {  // as `manifest_layers` found them
        const auto urls = layer.find("urls");
        if (urls == layer.end() || !urls->is_array() || urls->empty()) continue;
        const std::string digest = TRY(digest_key(string_or(layer, "digest")));
        foreign.insert(digest);
    }
    return foreign;
}

class Pusher {
public:
    Pusher(const std::string& data_root, Registry& registry, const Reference& reference,
           std::string source, const OnPushEvent& on_event)
        : root_(data_root),
          registry_(registry),
          path_(reference.path),
          source_(std::move(source)),
          on_event_(on_event) {
        scope_ = fmt::format("repository:{}:pull,push", path_);
        if (!source_.empty()) scope_ += fmt::format(" repository:{}:pull", source_);
    }

    /// `foreign` are passed over.
    Result<void> push_all(const std::vector<Blob>& blobs, const std::set<std::string>& foreign);
    Result<void> put_manifest(const std::string& bytes, const std::string& media_type,
                              const std::string& tag);

private:
    Result<std::string> push_blob(const Blob& blob);
    HttpRequest request(const std::string& method, const std::string& rest);
    HttpResponse ask(const HttpRequest& request) {
        return registry_.ask_again(registry_.upstream(), request, scope_,
                                   registry_.settings().tries);
    }
    Error failure(const HttpResponse& response, const std::string& what) {
        return registry_.failure(response, registry_.upstream(), what);
    }

    const std::string& root_;
    Registry& registry_;
    std::string path_;
    std::string source_;  ///< Repository of the same registry that may have the layers.
    std::string scope_;
    const OnPushEvent& on_event_;
};

HttpRequest Pusher::request(const std::string& method, const std::string& rest) {
    HttpRequest made;
    made.method = method;
    made.url = registry_.base_of(registry_.upstream()) + "/v2/" + path_ + rest;
    made.tls = registry_.upstream().tls;
    made.stall_seconds = registry_.settings().stall_seconds;
    made.cancelled = registry_.settings().cancelled;
    return made;
}

/// Returns the word for what was done.
Result<std::string> Pusher::push_blob(const Blob& blob) {
    const std::string what = "layer " + short_digest(blob.digest);
    const std::string digest = full_digest(blob.digest);
    const std::string file = blob_path(root_, blob.digest);
    if (!exists(file))
        return Error(ErrorKind::NotFound, fmt::format("{} is not in the store as it came", what))
            .help("load or pull the image again");
    const HttpResponse known = ask(request("HEAD", "/blobs/" + digest));
    if (known.ok()) return std::string("Layer already exists");
    if (known.status != 404) return failure(known, what);
    Backoff backoff(registry_.settings(), registry_.settings().tries);
    for (;;) {
        HttpRequest begin = request("POST", "/blobs/uploads/");
        if (!source_.empty()) begin.url += fmt::format("?mount={}&from={}", digest, source_);
        begin.body = "";
        HttpResponse response = ask(begin);
        if (response.status == 201) return "Mounted from " + source_;
        if (response.status != 202) return failure(response, what);
        HttpRequest put = request("PUT", "");
        put.url = TRY(registry_.http().resolve(response.url, response.header("location")));
        put.url +=
            fmt::format("{}digest={}", put.url.find('?') == std::string::npos ? "?" : "&", digest);
        put.headers = {"Content-Type: application/octet-stream"};
        put.upload_file = file;
        // Storage elsewhere has what it needs in the address; our token is not for it.
        const bool elsewhere = registry_.http().origin(put.url) !=
                               registry_.http().origin(registry_.base_of(registry_.upstream()));
        response = elsewhere ? registry_.http().perform(put)
                             : registry_.ask(registry_.upstream(), put, scope_);
        if (response.ok()) return std::string("Pushed");
        if (!backoff.again(response)) return failure(response, what);
    }
}

Result<void> Pusher::push_all(const std::vector<Blob>& blobs,
                              const std::set<std::string>& foreign) {
    std::atomic<std::size_t> next = 0;
    std::mutex mutex;
    std::optional<Error> problem;
    const auto work = [&] {
        for (;;) {
            const std::size_t mine = next++;
            if (mine >= blobs.size()) return;
            const bool passed_over = foreign.contains(blobs[mine].digest);
            const Result<std::string> done =
                passed_over ? Result<std::string>("Skipped foreign layer") : push_blob(blobs[mine]);
            const std::lock_guard lock(mutex);
            if (done) {
                if (on_event_) on_event_(short_digest(blobs[mine].digest).substr(7), *done);
                continue;
            }
            if (!problem) problem = done.error();
            next = blobs.size();
        }
    };
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 1; i < std::min(kPushedAtOnce, blobs.size()); ++i)
            threads.emplace_back(work);
        work();
    }
    if (problem) return std::move(*problem);
    return {};
}

Result<void> Pusher::put_manifest(const std::string& bytes, const std::string& media_type,
                                  const std::string& tag) {
    HttpRequest put = request("PUT", "/manifests/" + tag);
    put.headers = {"Content-Type: " + media_type};
    put.body = bytes;
    const HttpResponse response = ask(put);
    if (response.ok()) return {};
    return failure(response, "manifest");
}

}  // namespace

Result<Pushed> push(const Store& store, const RegistrySettings& settings, const std::string& name,
                    const OnPushEvent& on_event) {
    const auto push_it = [&]() -> Result<Pushed> {
        const Reference reference = TRY(parse_reference(name));
        if (!reference.digest.empty())
            return Error(ErrorKind::InvalidInput, "what is pushed has a tag, not a digest");
        const std::string& root = store.data_root();
        const std::vector<IndexEntry> entries = TRY(read_index(root));
        const auto entry = std::find_if(entries.begin(), entries.end(), [&](const IndexEntry& one) {
            return one.name == store_name(reference);
        });
        if (entry == entries.end())
            return Error(ErrorKind::NotFound, "there is no image of that name")
                .help(fmt::format("give one the name: davit tag IMAGE {}", name));
        const std::string bytes =
            TRY(read_file(blob_path(root, entry->manifest_digest), kLargestDocument));
        const Json manifest = TRY(read_blob(root, entry->manifest_digest));
        std::vector<Blob> blobs = TRY(manifest_layers(manifest));
        const Image image = TRY(store.find(entry->image_id));
        std::string source;
        for (const Reference& known : image.repo_digests)
            if (known.domain == reference.domain && known.path != reference.path)
                source = known.path;
        const std::unique_ptr<Registry> registry =
            TRY(Registry::open(settings, reference.domain, reference.path, Registry::Use::Write));
        Pusher pusher(root, *registry, reference, source, on_event);
        std::sort(blobs.begin(), blobs.end(),
                  [](const Blob& a, const Blob& b) { return a.digest < b.digest; });
        blobs.erase(std::unique(blobs.begin(), blobs.end()), blobs.end());
        const std::set<std::string> foreign = TRY(foreign_layers(manifest));
        TRY(pusher.push_all(blobs, foreign));
        const OnPushEvent quiet;
        Pusher last(root, *registry, reference, source, quiet);
        const std::string config = TRY(manifest_config(manifest));
        TRY(last.push_all({Blob{config, 0, kOciConfig}}, {}));
        TRY(pusher.put_manifest(bytes, entry->media_type, reference.tag));
        return Pushed{entry->manifest_digest, static_cast<std::int64_t>(bytes.size())};
    };
    Result<Pushed> pushed = push_it();
    if (!pushed) return std::move(pushed).error().doing("push '{}'", name);
    return pushed;
}

}  // namespace davit::image
