#include "image/gzip_sink.h"

#include <algorithm>
#include <cstdint>
#include <isa-l/igzip_lib.h>
#include <vector>

namespace davit::image {

struct GzipSink::State {
    isal_zstream stream{};
    std::vector<std::uint8_t> level = std::vector<std::uint8_t>(ISAL_DEF_LVL1_DEFAULT);
    std::vector<char> out = std::vector<char>(256U << 10U);
};

GzipSink::GzipSink(ByteSink& next) : next_(next), state_(std::make_unique<State>()) {
    ::isal_deflate_init(&state_->stream);
    state_->stream.gzip_flag = IGZIP_GZIP;
    state_->stream.level = 1;
    state_->stream.level_buf = state_->level.data();
    state_->stream.level_buf_size = static_cast<std::uint32_t>(state_->level.size());
}

GzipSink::~GzipSink() = default;

Result<void> GzipSink::deflate(std::string_view bytes, bool last) {
    isal_zstream& stream = state_->stream;
    // ISA-L's interface has no const; it only reads.
    stream.next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<std::uint32_t>(bytes.size());
    stream.end_of_stream = last ? 1 : 0;
    do {
        stream.next_out = reinterpret_cast<std::uint8_t*>(state_->out.data());
        stream.avail_out = static_cast<std::uint32_t>(state_->out.size());
        if (::isal_deflate(&stream) != COMP_OK)
            return Error(ErrorKind::Internal, "the compressor refused its input");
        TRY(next_.write({state_->out.data(), state_->out.size() - stream.avail_out}));
    } while (stream.avail_out == 0);
    return {};
}

Result<void> GzipSink::write(std::string_view bytes) {
    constexpr std::size_t kPiece = 1U << 20U;  // its counters have 32 bits
    while (!bytes.empty()) {
        TRY(deflate(bytes.substr(0, kPiece), false));
        bytes.remove_prefix(std::min(kPiece, bytes.size()));
    }
    return {};
}

Result<void> GzipSink::finish() { return deflate({}, true); }

}  // namespace davit::image
