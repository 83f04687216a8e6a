#include "image/compressed_input.h"

#include <algorithm>
#include <bzlib.h>
#include <lzma.h>

// xz and bzip2: slower to unpack than the disk takes it, and so not worth more than the libraries.
namespace davit::image {
namespace {

class XzSource : public ByteSource {
public:
    explicit XzSource(CompressedInput input) : input_(std::move(input)) {}
    ~XzSource() override { ::lzma_end(&stream_); }

    Result<std::size_t> read(char* buffer, std::size_t size) override {
        if (size == 0 || ended_) return std::size_t{0};
        if (!begun_) TRY(begin());
        stream_.next_out = reinterpret_cast<std::uint8_t*>(buffer);
        stream_.avail_out = size;
        while (stream_.avail_out == size && !ended_) {
            const bool more = TRY(input_.fill());
            stream_.next_in = reinterpret_cast<const std::uint8_t*>(input_.data());
            stream_.avail_in = input_.size();
            const lzma_ret code = ::lzma_code(&stream_, more ? LZMA_RUN : LZMA_FINISH);
            input_.consume(input_.size() - stream_.avail_in);
            ended_ = code == LZMA_STREAM_END;
            if (code == LZMA_MEMLIMIT_ERROR)
                return Error(ErrorKind::InvalidInput,
                             "the xz data needs more than 256 MiB of memory to be unpacked");
            if (code != LZMA_OK && !ended_) return damaged_data("xz");
        }
        const std::size_t made = size - stream_.avail_out;
        unpacked_ += static_cast<std::int64_t>(made);
        TRY(check_ratio(input_.taken(), unpacked_));
        return made;
    }

private:
    Result<void> begin() {
        // `xz -9` makes what takes 65 MiB to unpack.
        constexpr std::uint64_t kMostMemory = 256U << 20U;
        // Files in a row are one, as with gzip. @source xz(1)
        if (::lzma_stream_decoder(&stream_, kMostMemory, LZMA_CONCATENATED) != LZMA_OK)
            return Error(ErrorKind::System, "no memory to unpack xz");
        begun_ = true;
        return {};
    }

    CompressedInput input_;
    lzma_stream stream_ = LZMA_STREAM_INIT;
    bool begun_ = false;
    bool ended_ = false;
    std::int64_t unpacked_ = 0;
};

class Bzip2Source : public ByteSource {
public:
    explicit Bzip2Source(CompressedInput input) : input_(std::move(input)) {}
    ~Bzip2Source() override {
        if (in_stream_) ::BZ2_bzDecompressEnd(&stream_);
    }

    Result<std::size_t> read(char* buffer, std::size_t size) override {
        const auto wanted = static_cast<unsigned>(std::min<std::size_t>(size, 1U << 30U));
        stream_.next_out = buffer;
        stream_.avail_out = wanted;
        while (stream_.avail_out == wanted && wanted > 0) {
            const bool more = TRY(input_.fill());
            if (!more && in_stream_) return damaged_data("bzip2");
            if (!more) return std::size_t{0};
            if (!in_stream_) TRY(begin());
            // The library's interface has no const; it only reads.
            stream_.next_in = const_cast<char*>(input_.data());
            stream_.avail_in = static_cast<unsigned>(input_.size());
            const int code = ::BZ2_bzDecompress(&stream_);
            input_.consume(input_.size() - stream_.avail_in);
            if (code != BZ_OK && code != BZ_STREAM_END) return damaged_data("bzip2");
            if (code == BZ_STREAM_END) end();  // another may follow: `bzip2 a b`, pbzip2
        }
        const std::size_t made = wanted - stream_.avail_out;
        unpacked_ += static_cast<std::int64_t>(made);
        TRY(check_ratio(input_.taken(), unpacked_));
        return made;
    }

private:
    Result<void> begin() {
        char* const out = stream_.next_out;
        const unsigned room = stream_.avail_out;
        stream_ = {};
        if (::BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK)
            return Error(ErrorKind::System, "no memory to unpack bzip2");
        stream_.next_out = out;
        stream_.avail_out = room;
        in_stream_ = true;
        return {};
    }
    void end() {
        ::BZ2_bzDecompressEnd(&stream_);
        in_stream_ = false;
    }

    CompressedInput input_;
    bz_stream stream_ = {};
    bool in_stream_ = false;
    std::int64_t unpacked_ = 0;
};

}  // namespace

std::unique_ptr<ByteSource> unpack_xz(CompressedInput input) {
    return std::make_unique<XzSource>(std::move(input));
}

std::unique_ptr<ByteSource> unpack_bzip2(CompressedInput input) {
    return std::make_unique<Bzip2Source>(std::move(input));
}

}  // namespace davit::image
