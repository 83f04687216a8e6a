#include "image/byte_source.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <isa-l/igzip_lib.h>
#include <optional>
#include <vector>
#include <zstd.h>

namespace davit::image {
namespace {

constexpr std::size_t kInputSize = 256U << 10U;

/// What is far larger unpacked than packed, and large, is no image but an attack on the disk. Disks
/// of virtual machines, which some put into images, are mostly zeros: these may be.
struct Bomb {
    std::int64_t size;
    std::int64_t ratio;
};
constexpr Bomb kBombs[] = {{std::int64_t{4} << 30U, 400}, {std::int64_t{50} << 30U, 100}};

Result<void> check_ratio(std::int64_t packed, std::int64_t unpacked) {
    for (const Bomb& bomb : kBombs) {
        if (unpacked <= bomb.size || unpacked / bomb.ratio <= packed) continue;
        return Error(ErrorKind::InvalidInput,
                     fmt::format("the data is more than {} times as large unpacked as packed, and "
                                 "more than {} GiB",
                                 bomb.ratio, bomb.size >> 30U));
    }
    return {};
}

Error damaged(const char* what) {
    return Error(ErrorKind::InvalidInput,
                 std::string("the ") + what + " data is damaged or cut short");
}

/// The compressed bytes, a buffer at a time, beginning with those that were read to look at.
class Input {
public:
    Input(ByteSource& source, std::vector<char> first)
        : source_(source), buffer_(std::move(first)), end_(buffer_.size()) {
        buffer_.resize(std::max(buffer_.size(), kInputSize));
    }

    /// Whether bytes are there; reads more where the buffer is empty.
    Result<bool> fill() {
        if (at_ < end_) return true;
        at_ = 0;
        end_ = TRY(source_.read(buffer_.data(), buffer_.size()));
        return end_ > 0;
    }
    const char* data() const { return buffer_.data() + at_; }
    std::size_t size() const { return end_ - at_; }
    void consume(std::size_t count) {
        at_ += count;
        taken_ += static_cast<std::int64_t>(count);
    }
    /// Bytes consumed so far.
    std::int64_t taken() const { return taken_; }

private:
    ByteSource& source_;
    std::vector<char> buffer_;
    std::size_t at_ = 0;
    std::size_t end_ = 0;
    std::int64_t taken_ = 0;
};

class PlainSource : public ByteSource {
public:
    explicit PlainSource(Input input) : input_(std::move(input)) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        if (!TRY(input_.fill())) return std::size_t{0};
        const std::size_t count = std::min(size, input_.size());
        std::memcpy(buffer, input_.data(), count);
        input_.consume(count);
        return count;
    }

private:
    Input input_;
};

/// gzip through ISA-L, more than twice as fast as zlib.
class GzipSource : public ByteSource {
public:
    explicit GzipSource(Input input) : input_(std::move(input)) { begin_member(); }

    Result<std::size_t> read(char* buffer, std::size_t size) override {
        state_->next_out = reinterpret_cast<std::uint8_t*>(buffer);
        state_->avail_out = static_cast<std::uint32_t>(std::min<std::size_t>(size, 1U << 30U));
        const std::uint32_t wanted = state_->avail_out;
        while (state_->avail_out == wanted && wanted > 0) {
            if (state_->block_state == ISAL_BLOCK_FINISH) {
                // Another member may follow: `gzip a b`, estargz.
                if (!TRY(input_.fill())) return std::size_t{0};
                if (*input_.data() == '\0') {
                    TRY(skip_zeros());
                    return std::size_t{0};
                }
                std::uint8_t* const out = state_->next_out;
                begin_member();
                state_->next_out = out;
                state_->avail_out = wanted;
            }
            if (!TRY(input_.fill())) return damaged("gzip");
            // ISA-L's interface has no const; it only reads.
            state_->next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(input_.data()));
            state_->avail_in = static_cast<std::uint32_t>(input_.size());
            const int code = ::isal_inflate(state_.get());
            input_.consume(input_.size() - state_->avail_in);
            if (code != ISAL_DECOMP_OK && code != ISAL_END_INPUT) return damaged("gzip");
        }
        const std::size_t made = wanted - state_->avail_out;
        unpacked_ += static_cast<std::int64_t>(made);
        TRY(check_ratio(input_.taken(), unpacked_));
        return made;
    }

private:
    void begin_member() {
        ::isal_inflate_init(state_.get());
        state_->crc_flag = ISAL_GZIP;
    }

    /// After the last member zeros may follow, which fill up a block of the medium.
    Result<void> skip_zeros() {
        while (TRY(input_.fill())) {
            const std::string_view rest(input_.data(), input_.size());
            if (rest.find_first_not_of('\0') != std::string_view::npos) return damaged("gzip");
            input_.consume(rest.size());
        }
        return {};
    }

    Input input_;
    std::int64_t unpacked_ = 0;
    std::unique_ptr<inflate_state> state_ = std::make_unique<inflate_state>();
};

struct FreeStream {
    void operator()(ZSTD_DStream* stream) const noexcept { ZSTD_freeDStream(stream); }
};

class ZstdSource : public ByteSource {
public:
    explicit ZstdSource(Input input) : input_(std::move(input)), stream_(ZSTD_createDStream()) {
        // 128 MiB: what `zstd --long` may ask for, and no more.
        constexpr int kLargestWindow = 27;
        ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, kLargestWindow);
    }

    Result<std::size_t> read(char* buffer, std::size_t size) override {
        ZSTD_outBuffer out{buffer, size, 0};
        while (out.pos == 0 && size > 0) {
            if (!TRY(input_.fill())) {
                if (!between_frames_) return damaged("zstd");
                return std::size_t{0};
            }
            ZSTD_inBuffer in{input_.data(), input_.size(), 0};
            const std::size_t left = ZSTD_decompressStream(stream_.get(), &out, &in);
            input_.consume(in.pos);
            if (ZSTD_isError(left) != 0) return damaged("zstd");
            between_frames_ = left == 0;
        }
        unpacked_ += static_cast<std::int64_t>(out.pos);
        TRY(check_ratio(input_.taken(), unpacked_));
        return out.pos;
    }

private:
    Input input_;
    std::unique_ptr<ZSTD_DStream, FreeStream> stream_;
    bool between_frames_ = true;
    std::int64_t unpacked_ = 0;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> decompress(ByteSource& source) {
    std::vector<char> first(4);
    std::size_t have = 0;
    while (have < first.size()) {
        const std::size_t got = TRY(source.read(first.data() + have, first.size() - have));
        if (got == 0) break;
        have += got;
    }
    first.resize(have);
    const std::string_view magic(first.data(), first.size());
    using namespace std::string_view_literals;
    Input input(source, first);
    std::unique_ptr<ByteSource> plain;
    if (magic.starts_with("\x1f\x8b"sv))
        plain = std::make_unique<GzipSource>(std::move(input));
    else if (magic == "\x28\xb5\x2f\xfd"sv || (magic.size() == 4 && (magic[0] & '\xf0') == '\x50' &&
                                               magic.substr(1) == "\x2a\x4d\x18"sv))
        plain = std::make_unique<ZstdSource>(std::move(input));
    else
        plain = std::make_unique<PlainSource>(std::move(input));
    return plain;
}

}  // namespace davit::image
