#pragma once

#include "image/byte_source.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace davit::image {

/// Reads `source` in a thread of its own, a few buffers ahead of whoever reads this: decompressing
/// and unpacking then take turns on two cores instead of one. `source` must outlive it, and nobody
/// else may read it meanwhile.
class ReadAhead : public ByteSource {
public:
    explicit ReadAhead(ByteSource& source);
    ~ReadAhead() override;
    Result<std::size_t> read(char* buffer, std::size_t size) override;

private:
    void fill();

    struct Piece {
        std::vector<char> bytes;
        std::size_t size = 0;
    };
    ByteSource& source_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Piece> ring_;
    std::size_t first_ = 0;  ///< The piece that is read.
    std::size_t full_ = 0;   ///< Pieces that are filled.
    std::size_t at_ = 0;     ///< Read of the first piece.
    bool ended_ = false;     ///< No piece will follow.
    bool closed_ = false;    ///< Nobody will read any more.
    std::optional<Error> failure_;
    std::jthread thread_;
};

}  // namespace davit::image
