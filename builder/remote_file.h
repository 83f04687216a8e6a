#pragma once

#include "base/result.h"

#include <cstdint>
#include <functional>
#include <string>

namespace davit::builder {

/// A file that ADD takes from a server.
struct RemoteFile {
    std::string url = {};
    std::string name = {};    ///< The last part of the address's path.
    std::string digest = {};  ///< SHA-256 of its content, 64 hex digits.
    std::string path = {};    ///< Where it has been downloaded to; empty: it has not been.
    std::int64_t mtime = 0;   ///< Last-Modified, seconds since 1970; 0: the server says none.
};

struct RemoteOptions {
    std::string data_root = {};  ///< Remembers what servers said: build/urls/<hash>.json.
    std::string folder = {};     ///< For what is downloaded.
    bool fresh = false;          ///< What is remembered counts for nothing.
    std::function<bool()> cancelled = {};
};

/// Whether `text` is an address of http or https.
bool is_url(const std::string& text);

/// What the server has at `url` now. With `checksum` ("sha256:…") nobody is asked: that decides.
/// Else the file is downloaded, unless the server says that it is what it was last time.
/// @errors NotFound, System with what the server said, InvalidInput for a malformed checksum
Result<RemoteFile> look_at_url(const std::string& url, const std::string& checksum,
                               const RemoteOptions& options);

/// Downloads the file, unless that is done. @errors InvalidInput where its content is not what its
/// digest says
Result<void> bring_file(RemoteFile& file, const RemoteOptions& options);

}  // namespace davit::builder
