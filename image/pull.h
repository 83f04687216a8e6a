#pragma once

#include "base/result.h"
#include "image/registry.h"
#include "image/store.h"

#include <cstdint>
#include <functional>
#include <string>

namespace davit::image {

struct PullRequest {
    std::string image = {};     ///< As the user wrote it.
    std::string platform = {};  ///< "linux/arm64"; empty: this host's.
};

/// What happens to one layer of an image that is pulled.
struct PullEvent {
    enum class Kind {
        Resolved,     ///< The manifest is there: `layer` is empty, `total` the bytes to get.
        Exists,       ///< The store has it.
        Waiting,      ///< For its turn, or for another davit that is getting it.
        Downloading,  ///< `done` of `total` bytes.
        Retrying,     ///< The connection broke; it goes on where it ended.
        Unpacking,    ///< All bytes are there.
        Done,
    };
    Kind kind = Kind::Resolved;
    std::string layer = {};  ///< 12 hex digits of its digest.
    std::int64_t done = 0;
    std::int64_t total = 0;
};
/// Called from several threads, but never at the same time.
using OnPullEvent = std::function<void(const PullEvent&)>;

struct Pulled {
    std::string id = {};
    std::string digest =
        {};  ///< "sha256:…" that the name stands for: of the index, where there is one.
    bool changed = false;   ///< The name stood for something else before, or for nothing.
    std::string host = {};  ///< That served it.
};

/// Brings an image from its registry into the store. Layers come side by side; each is written to a
/// part file, hashed, decompressed and unpacked as its bytes arrive, and everything is checked
/// before anything is visible. What broke off (a connection, Ctrl-C, kill -9) goes on where it
/// ended with the next pull. A layer that two pulls want is got once: one waits for the other.
///
/// @errors NotFound, PermissionDenied, InvalidInput (digest, size, format), System, Cancelled: the
/// store is as it was
Result<Pulled> pull(Store& store, const RegistrySettings& settings, const PullRequest& request,
                    const OnPullEvent& on_event);

}  // namespace davit::image
