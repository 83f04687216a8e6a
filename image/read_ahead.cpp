#include "image/read_ahead.h"

#include <algorithm>
#include <cstring>

namespace davit::image {
namespace {

constexpr std::size_t kPieces = 8;
constexpr std::size_t kPieceSize = 256U << 10U;

}  // namespace

ReadAhead::ReadAhead(ByteSource& source) : source_(source), ring_(kPieces) {
    for (Piece& piece : ring_) piece.bytes.resize(kPieceSize);
    thread_ = std::jthread([this] { fill(); });
}

ReadAhead::~ReadAhead() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
    // thread_, declared last, is destroyed first: that joins it before the ring goes.
}

void ReadAhead::fill() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return closed_ || full_ < ring_.size(); });
        if (closed_) return;
        Piece& piece = ring_[(first_ + full_) % ring_.size()];
        lock.unlock();
        Result<std::size_t> got = source_.read(piece.bytes.data(), piece.bytes.size());
        lock.lock();
        if (!got) failure_ = std::move(got).error();
        if (failure_ || *got == 0) {
            ended_ = true;
            changed_.notify_all();
            return;
        }
        piece.size = *got;
        ++full_;
        changed_.notify_all();
    }
}

Result<std::size_t> ReadAhead::read(char* buffer, std::size_t size) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return full_ > 0 || ended_; });
    if (full_ == 0) {
        if (failure_) return *failure_;
        return std::size_t{0};
    }
    const Piece& piece = ring_[first_];
    lock.unlock();  // a filled piece is this thread's alone
    const std::size_t count = std::min(size, piece.size - at_);
    std::memcpy(buffer, piece.bytes.data() + at_, count);
    at_ += count;
    if (at_ < piece.size) return count;
    lock.lock();
    at_ = 0;
    first_ = (first_ + 1) % ring_.size();
    --full_;
    changed_.notify_all();
    return count;
}

}  // namespace davit::image
