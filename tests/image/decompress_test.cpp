#include "base/random.h"
#include "image/byte_source.h"
#include "tests/image/memory_source.h"
#include "tests/image/packed.h"

#include <bzlib.h>
#include <doctest/doctest.h>
#include <isa-l/igzip_lib.h>
#include <lzma.h>

using namespace davit;
using namespace davit::image;
using davit::testing::MemorySource;
using davit::testing::zstd;

namespace {

std::string gzip(const std::string& text) {
    isal_zstream stream{};
    ::isal_deflate_stateless_init(&stream);
    std::string packed(text.size() + 1024, '\0');
    std::string input = text;
    stream.gzip_flag = IGZIP_GZIP;
    stream.end_of_stream = 1;
    stream.next_in = reinterpret_cast<std::uint8_t*>(input.data());
    stream.avail_in = static_cast<std::uint32_t>(input.size());
    stream.next_out = reinterpret_cast<std::uint8_t*>(packed.data());
    stream.avail_out = static_cast<std::uint32_t>(packed.size());
    REQUIRE(::isal_deflate_stateless(&stream) == COMP_OK);
    packed.resize(stream.total_out);
    return packed;
}

std::string xz(const std::string& text) {
    std::string packed(lzma_stream_buffer_bound(text.size()), '\0');
    std::size_t size = 0;
    REQUIRE(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, nullptr,
                                    reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                                    reinterpret_cast<std::uint8_t*>(packed.data()), &size,
                                    packed.size()) == LZMA_OK);
    packed.resize(size);
    return packed;
}

std::string bzip2(const std::string& text) {
    std::string packed(text.size() * 2 + 1024, '\0');
    std::string input = text;
    auto size = static_cast<unsigned>(packed.size());
    REQUIRE(BZ2_bzBuffToBuffCompress(packed.data(), &size, input.data(),
                                     static_cast<unsigned>(input.size()), 1, 0, 0) == BZ_OK);
    packed.resize(size);
    return packed;
}

/// Text that packs badly: about half its size.
std::string noise() {
    std::string text;
    while (text.size() < 6000) text += random_hex(200);
    return text;
}

/// All of `packed`, unpacked `ask` bytes at a time from pieces of `piece` bytes.
Result<std::string> decompressed(const std::string& packed, std::size_t piece, std::size_t ask) {
    MemorySource source(packed, piece);
    const std::unique_ptr<ByteSource> plain = TRY(decompress(source));
    std::string text;
    std::string buffer(ask, '\0');
    for (;;) {
        const std::size_t got = TRY(plain->read(buffer.data(), buffer.size()));
        if (got == 0) return text;
        text.append(buffer, 0, got);
    }
}

}  // namespace

TEST_CASE("compressed data is whole however it is cut into pieces") {
    const std::string texts[] = {"", "x", noise(), noise() + std::string(200'000, 'a') + noise()};
    for (const std::string& text : texts) {
        CAPTURE(text.size());
        const std::string packed[] = {gzip(text),
                                      zstd(text),
                                      xz(text),
                                      bzip2(text),
                                      gzip(text) + gzip("more"),
                                      zstd(text) + zstd("more"),
                                      xz(text) + xz("more"),
                                      bzip2(text) + bzip2("more")};
        for (std::size_t form = 0; form < std::size(packed); ++form) {
            CAPTURE(form);
            const std::string expected = form < 4 ? text : text + "more";
            for (const std::size_t piece : {1U, 2U, 3U, 5U, 7U, 8U, 9U, 13U, 512U, 65536U}) {
                for (const std::size_t ask : {1U, 100U, 512U, 65536U, 262144U}) {
                    if (text.size() > 10000 && (piece < 5 || ask < 100)) continue;
                    CAPTURE(piece);
                    CAPTURE(ask);
                    const auto unpacked = decompressed(packed[form], piece, ask);
                    REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().to_string());
                    REQUIRE(*unpacked == expected);
                }
            }
        }
    }
}

TEST_CASE("compressed data that is cut short or damaged is refused") {
    const std::string text = noise();
    for (const std::string& packed : {gzip(text), zstd(text), xz(text), bzip2(text),
                                      gzip(text) + gzip("more"), bzip2(text) + bzip2("more")}) {
        for (const std::size_t length : {packed.size() - 1, packed.size() - 5, packed.size() / 2})
            CHECK_FALSE(decompressed(packed.substr(0, length), 100, 512).ok());
    }
    std::string wrong = gzip(text);
    wrong[wrong.size() - 6] = static_cast<char>(wrong[wrong.size() - 6] ^ 1);  // its checksum
    CHECK_FALSE(decompressed(wrong, 100, 512).ok());
    for (std::string spoilt : {xz(text), bzip2(text)}) {
        spoilt[spoilt.size() / 2] = static_cast<char>(spoilt[spoilt.size() / 2] ^ 1);
        CHECK_FALSE(decompressed(spoilt, 100, 512).ok());
    }
    for (const std::string& whole : {gzip(text), zstd(text), xz(text), bzip2(text)})
        CHECK_FALSE(decompressed(whole + "rubbish", 100, 512).ok());
    const std::string two = xz(text) + xz(text);
    CHECK_FALSE(decompressed(two.substr(0, two.size() - 10), 100, 512).ok());
    CHECK_FALSE(decompressed(gzip(text) + std::string(300, '\0') + "x", 100, 512).ok());
}

TEST_CASE("zeros after gzip data only fill up the last block") {
    const std::string text = noise();
    for (const std::size_t zeros : {1U, 99U, 1000U, 600'000U}) {
        const auto unpacked = decompressed(gzip(text) + std::string(zeros, '\0'), 100, 512);
        REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().to_string());
        CHECK(*unpacked == text);
    }
}

TEST_CASE("what is not compressed passes as it is") {
    for (const std::string& text : {std::string(), std::string("a"), std::string("plain text")})
        CHECK(*decompressed(text, 3, 2) == text);
}
