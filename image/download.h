#pragma once

#include "image/byte_source.h"
#include "image/registry.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>

namespace davit::image {

/// A blob on its way into a file, and a reader that follows behind: hashing and unpacking go on
/// while bytes arrive. The file stays when the download breaks off, and the next one goes on where
/// it ended.
class Download : public ByteSource {
public:
    /// Opens or makes the file. @errors System
    static Result<std::unique_ptr<Download>> open(const std::string& file, std::int64_t size);

    /// Gets what the file lacks; called by one thread. `on_bytes` hears how much there is.
    Result<void> fetch(Registry& registry, Registry::BlobRequest request,
                       const std::function<void(std::int64_t)>& on_bytes);
    /// Ends the download from the reader's side: what it read is no use.
    void give_up();

    /// The reader's side: waits for bytes. An error of the download becomes its own.
    Result<std::size_t> read(char* buffer, std::size_t size) override;

    /// Bytes that were there before `fetch`.
    std::int64_t resumed_from() const { return resumed_from_; }

private:
    Download(UniqueFd fd, std::int64_t have, std::int64_t size)
        : fd_(std::move(fd)), size_(size), resumed_from_(have), have_(have) {}

    UniqueFd fd_;
    std::int64_t size_;
    std::int64_t resumed_from_;
    std::int64_t read_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::int64_t have_;
    bool ended_ = false;
    bool given_up_ = false;
    std::optional<Error> failure_;
};

}  // namespace davit::image
