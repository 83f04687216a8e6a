#pragma once

#include "base/json.h"
#include "tests/support/command.h"
#include "tests/support/temp_dir.h"

#include <memory>
#include <string>
#include <vector>

namespace davit::testing {

/// A registry on the loopback device that goes wrong when it is told to: fault_registry.py and the
/// folder that it serves. Its images are what a test puts there, good or bad.
class FakeRegistry {
public:
    /// `pem`: file with certificate and key, for https; `versions`: "old" speaks TLS 1.1 at most.
    explicit FakeRegistry(const std::string& pem = "", const std::string& versions = "");

    const std::string& host() const { return host_; }  ///< "127.0.0.1:40123"

    /// Serves `text` as "blobs/HEX", "manifests/TAG" or configures the server (fault_registry.py).
    void put(const std::string& name, const std::string& text) const;
    /// Serves the bytes. Returns their descriptor.
    Json blob(const std::string& type, const std::string& bytes) const;
    /// What a blob is that is served.
    std::string blob_text(const std::string& hex) const;
    /// Serves `json` as `tag` and by its digest. Returns its descriptor.
    Json manifest(const Json& json, const std::string& tag) const;

    struct Layer {
        std::string type = {};   ///< Media type.
        std::string bytes = {};  ///< As they are served.
        std::string tar = {};    ///< What they are when unpacked.
    };
    /// Serves layers and a configuration. Returns the manifest, which is not served yet.
    Json image(const std::vector<Layer>& layers) const;

    void faults(const Json& list) const { put("faults.json", list.dump()); }
    /// A line for each request: method, path, range, authorization.
    std::string log() const;
    /// How many requests had `part` in their line.
    std::size_t asked(const std::string& part) const;

private:
    TempDir dir_;
    std::string host_;
    std::unique_ptr<Background> server_;
};

/// `text` as gzip(1) or zstd(1) packs it.
std::string packed_by(const std::string& program, const std::string& text);

/// Bytes that don't compress, the same each time.
std::string noise(std::size_t size, unsigned seed);

}  // namespace davit::testing
