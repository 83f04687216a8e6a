#include "image/tar_writer.h"

#include "base/assert.h"

#include <cstring>
#include <fmt/format.h>

namespace davit::image {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::int64_t kLargestOctal11 = 077777777777;  // 8 GiB - 1, and the year 2242
constexpr std::uint32_t kLargestOctal7 = 07777777;

char type_flag(TarType type) {
    switch (type) {
        case TarType::Regular: return '0';
        case TarType::HardLink: return '1';
        case TarType::SymLink: return '2';
        case TarType::CharDevice: return '3';
        case TarType::BlockDevice: return '4';
        case TarType::Directory: return '5';
        case TarType::Fifo: return '6';
    }
    return '0';
}

/// One header block. Every number that does not fit stands as 0 here and in the pax header.
class Block {
public:
    void put(std::size_t at, std::size_t size, std::string_view text) {
        std::memcpy(bytes_ + at, text.data(), std::min(size, text.size()));
    }
    void octal(std::size_t at, std::size_t digits, std::uint64_t number) {
        put(at, digits, fmt::format("{:0{}o}", number, digits));
    }
    std::string_view sealed() {
        put(148, 8, "        ");
        unsigned sum = 0;
        for (const char c : bytes_) sum += static_cast<unsigned char>(c);
        put(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
        return {bytes_, kBlock};
    }

private:
    char bytes_[kBlock] = {};
};

std::string pax_record(std::string_view key, std::string_view value) {
    const std::string rest = fmt::format(" {}={}\n", key, value);
    // The length counts its own digits.
    std::size_t length = rest.size() + 1;
    while (std::to_string(length).size() + rest.size() != length) ++length;
    return std::to_string(length) + rest;
}

/// What the old header can't say, in the order of the keys.
std::string pax_records(const TarEntry& entry) {
    std::string records;
    for (const auto& [name, value] : entry.xattrs)
        records += pax_record("SCHILY.xattr." + name, value);
    if (entry.gid > kLargestOctal7) records += pax_record("gid", std::to_string(entry.gid));
    if (entry.link.size() > 100) records += pax_record("linkpath", entry.link);
    const bool far_away = entry.mtime.tv_sec < 0 || entry.mtime.tv_sec > kLargestOctal11;
    if (entry.mtime.tv_nsec != 0)
        records +=
            pax_record("mtime", fmt::format("{}.{:09}", entry.mtime.tv_sec, entry.mtime.tv_nsec));
    else if (far_away)
        records += pax_record("mtime", std::to_string(entry.mtime.tv_sec));
    if (entry.path.size() > 100) records += pax_record("path", entry.path);
    if (entry.size > kLargestOctal11) records += pax_record("size", std::to_string(entry.size));
    if (entry.uid > kLargestOctal7) records += pax_record("uid", std::to_string(entry.uid));
    return records;
}

template <typename Number>
std::uint64_t fitting(Number number, Number largest) {
    return number < 0 || number > largest ? 0 : static_cast<std::uint64_t>(number);
}

Block header_of(const TarEntry& entry, char type, std::int64_t size) {
    Block block;
    block.put(0, 100, entry.path);
    block.octal(100, 7, entry.mode & 07777U);
    block.octal(108, 7, entry.uid > kLargestOctal7 ? 0 : entry.uid);
    block.octal(116, 7, entry.gid > kLargestOctal7 ? 0 : entry.gid);
    block.octal(124, 11, fitting(size, kLargestOctal11));
    block.octal(136, 11, fitting<std::int64_t>(entry.mtime.tv_sec, kLargestOctal11));
    block.put(156, 1, {&type, 1});
    block.put(157, 100, entry.link);
    block.put(257, 6, std::string_view("ustar\0", 6));
    block.put(263, 2, "00");
    if (entry.type == TarType::CharDevice || entry.type == TarType::BlockDevice) {
        block.octal(329, 7, entry.major);
        block.octal(337, 7, entry.minor);
    }
    return block;
}

std::int64_t padding_of(std::int64_t size) {
    constexpr std::int64_t kUnit = kBlock;
    return (kUnit - size % kUnit) % kUnit;
}

}  // namespace

Result<void> TarWriter::begin(const TarEntry& entry) {
    TRY(pad());
    const std::int64_t size = entry.type == TarType::Regular ? entry.size : 0;
    if (const std::string records = pax_records(entry); !records.empty()) {
        TarEntry pax;
        pax.path = "pax";
        pax.mode = 0644;
        const auto length = static_cast<std::int64_t>(records.size());
        TRY(sink_.write(header_of(pax, 'x', length).sealed()));
        TRY(sink_.write(records));
        TRY(sink_.write(std::string(static_cast<std::size_t>(padding_of(length)), '\0')));
    }
    TRY(sink_.write(header_of(entry, type_flag(entry.type), size).sealed()));
    left_ = size;
    padding_ = padding_of(size);
    return {};
}

Result<void> TarWriter::write(std::string_view bytes) {
    const auto size = static_cast<std::int64_t>(bytes.size());
    DAVIT_ASSERT(size <= left_);
    left_ -= size;
    return sink_.write(bytes);
}

Result<void> TarWriter::pad() {
    DAVIT_ASSERT(left_ == 0);
    TRY(sink_.write(std::string(static_cast<std::size_t>(padding_), '\0')));
    padding_ = 0;
    return {};
}

Result<void> TarWriter::finish() {
    TRY(pad());
    return sink_.write(std::string(2 * kBlock, '\0'));
}

}  // namespace davit::image
