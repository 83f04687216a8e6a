#include "runtime/log_compress.h"

#include "base/file.h"
#include "base/sys.h"
#include "runtime/child_steps.h"
#include "runtime/clone.h"
#include "runtime/program.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>
#include <zlib.h>

namespace davit::runtime {
namespace {

constexpr std::size_t kChunk = 64U << 10U;

/// A stream of zlib, released at its end.
class Deflater {
public:
    explicit Deflater(ino_t inode) : comment_(log_comment(inode)) {
        constexpr int kWindow = 15 + 16;  // with a gzip header
        constexpr int kMemory = 8;
        ready_ = ::deflateInit2(&stream_, Z_BEST_SPEED, Z_DEFLATED, kWindow, kMemory,
                                Z_DEFAULT_STRATEGY) == Z_OK;
        header_.comment = reinterpret_cast<Bytef*>(comment_.data());
        constexpr int kUnix = 3;
        header_.os = kUnix;
        ready_ = ready_ && ::deflateSetHeader(&stream_, &header_) == Z_OK;
    }
    ~Deflater() { (void)::deflateEnd(&stream_); }
    Deflater(const Deflater&) = delete;
    Deflater& operator=(const Deflater&) = delete;

    Result<void> put(std::string_view bytes, bool last, const UniqueFd& out) {
        if (!ready_) return Error(ErrorKind::System, "zlib has no memory");
        std::array<char, kChunk> room{};
        // zlib only reads, but its interface has no const.
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
        stream_.avail_in = static_cast<uInt>(bytes.size());
        int status = Z_OK;
        do {
            stream_.next_out = reinterpret_cast<Bytef*>(room.data());
            stream_.avail_out = static_cast<uInt>(room.size());
            status = ::deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH);
            TRY(write_all(out, std::string_view(room.data(), room.size() - stream_.avail_out)));
        } while (last ? status != Z_STREAM_END : stream_.avail_out == 0);
        return {};
    }

private:
    std::string comment_;
    z_stream stream_{};
    gz_header header_{};
    bool ready_ = false;
};

}  // namespace

std::string log_comment(ino_t inode) { return fmt::format("inode {}", inode); }

Result<void> compress_log(const std::string& path) {
    const UniqueFd in = TRY(sys::open(path, O_RDONLY | O_NOFOLLOW));
    struct stat info {};
    if (::fstat(in.get(), &info) == -1) return Error::from_errno(errno, "fstat(2)");
    const std::string part = path + ".gz.part";
    const UniqueFd out =
        TRY(sys::open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, info.st_mode & 0777U));
    Deflater deflater(info.st_ino);
    std::array<char, kChunk> buffer{};
    for (;;) {
        const ssize_t got =
            sys::retry_on_eintr([&] { return ::read(in.get(), buffer.data(), buffer.size()); });
        if (got == -1) return Error::from_errno(errno, "read(2)").doing("read '{}'", path);
        const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
        TRY_DOING(deflater.put(bytes, got == 0, out), "write '{}'", part);
        if (got == 0) break;
    }
    // The times of the lines in it stay the file's: `logs --since` passes whole files over by them.
    const timespec times[] = {info.st_atim, info.st_mtim};
    (void)::futimens(out.get(), times);
    // Where the guard was killed meanwhile, another one may have rotated: then it is another file.
    struct stat now {};
    if (::lstat(path.c_str(), &now) == -1 || now.st_ino != info.st_ino ||
        now.st_dev != info.st_dev) {
        ::unlink(part.c_str());
        return {};
    }
    if (::rename(part.c_str(), (path + ".gz").c_str()) == -1)
        return Error::from_errno(errno, "rename(2)");
    ::unlink(path.c_str());
    return {};
}

Result<pid_t> spawn_compressor(const std::string& path) {
    std::vector<std::string> words = {"davit-runtime", "compress-log", path};
    const std::vector<char*> argv = exec_pointers(words);
    char* const environment[] = {nullptr};
    const pid_t pid = clone_process({.flags = CLONE_VFORK, .exit_signal = SIGCHLD});
    if (pid == -1) return Error::from_errno(errno, "clone3(2)");
    if (pid == 0) {
        (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
        reset_signals();
        ::execve("/proc/self/exe", argv.data(), environment);
        ::_exit(127);
    }
    return pid;
}

}  // namespace davit::runtime
