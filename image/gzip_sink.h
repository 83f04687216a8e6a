#pragma once

#include "image/byte_sink.h"

#include <memory>

namespace davit::image {

/// Compresses what it is given as one gzip member, fast rather than small, and passes it on.
class GzipSink : public ByteSink {
public:
    /// `next` must outlive it.
    explicit GzipSink(ByteSink& next);
    ~GzipSink() override;
    Result<void> write(std::string_view bytes) override;
    /// Writes the end of the member. Must be called last.
    Result<void> finish();

private:
    Result<void> deflate(std::string_view bytes, bool last);

    struct State;
    ByteSink& next_;
    std::unique_ptr<State> state_;
};

}  // namespace davit::image
