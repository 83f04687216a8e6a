#include "stack/compressed_log.h"

#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace davit::stack {
namespace {

constexpr std::size_t kChunk = 64U << 10U;

struct Inflater {
    z_stream stream{};
    bool ready = false;
    Inflater() {
        constexpr int kWindow = 15 + 16;  // with a gzip header
        ready = ::inflateInit2(&stream, kWindow) == Z_OK;
    }
    ~Inflater() { (void)::inflateEnd(&stream); }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;
};

/// Writes what is decompressed of `bytes`; returns whether the stream has ended.
Result<bool> inflate_some(Inflater& inflater, std::string_view bytes, const UniqueFd& out) {
    std::array<char, kChunk> room{};
    // zlib only reads, but its interface has no const.
    inflater.stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    inflater.stream.avail_in = static_cast<uInt>(bytes.size());
    int status = Z_OK;
    do {
        inflater.stream.next_out = reinterpret_cast<Bytef*>(room.data());
        inflater.stream.avail_out = static_cast<uInt>(room.size());
        status = ::inflate(&inflater.stream, Z_NO_FLUSH);
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
            return Error(ErrorKind::InvalidInput, "the compressed log is damaged");
        TRY(write_all(out, std::string_view(room.data(), room.size() - inflater.stream.avail_out)));
    } while (status == Z_OK && inflater.stream.avail_out == 0);
    return status == Z_STREAM_END;
}

}  // namespace

Result<CompressedLog> open_compressed(const std::string& path) {
    CompressedLog log;
    log.fd = TRY(sys::open(path, O_RDONLY | O_NOFOLLOW));
    std::array<char, 64> head{};
    const ssize_t got = ::pread(log.fd.get(), head.data(), head.size() - 1, 0);
    // Ten bytes, and then the comment up to a NUL: that is all a guard writes. RFC 1952
    constexpr ssize_t kFixed = 10;
    constexpr std::string_view kWord = "inode ";
    if (got > kFixed && head[0] == '\x1f' && head[1] == '\x8b') {
        const std::string comment(head.data() + kFixed);
        const auto number =
            comment.starts_with(kWord) ? parse_integer(comment.substr(kWord.size())) : std::nullopt;
        if (number && *number > 0) {
            log.inode = static_cast<ino_t>(*number);
            return log;
        }
    }
    return Error(ErrorKind::InvalidInput, "it is no log that davit has compressed")
        .doing("read '{}'", path);
}

Result<UniqueFd> decompress_log(const CompressedLog& log) {
    UniqueFd out(::memfd_create("log", MFD_CLOEXEC));
    if (!out) return Error::from_errno(errno, "memfd_create(2)");
    Inflater inflater;
    if (!inflater.ready) return Error(ErrorKind::System, "zlib has no memory");
    std::array<char, kChunk> buffer{};
    off_t offset = 0;
    for (bool ended = false; !ended;) {
        const ssize_t got = sys::retry_on_eintr(
            [&] { return ::pread(log.fd.get(), buffer.data(), buffer.size(), offset); });
        if (got == -1) return Error::from_errno(errno, "pread(2)");
        if (got == 0) return Error(ErrorKind::InvalidInput, "the compressed log is cut short");
        offset += got;
        ended = TRY(inflate_some(
            inflater, std::string_view(buffer.data(), static_cast<std::size_t>(got)), out));
    }
    struct stat info {};
    if (::fstat(log.fd.get(), &info) == -1) return Error::from_errno(errno, "fstat(2)");
    const timespec times[] = {info.st_atim, info.st_mtim};
    (void)::futimens(out.get(), times);
    return out;
}

}  // namespace davit::stack
