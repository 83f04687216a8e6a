#include "image/output_file.h"

#include "base/random.h"
#include "base/sys.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::image {
namespace {

mode_t users_mask = 0022;  // NOLINT: set once, before there are threads

bool is_special(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
}

Result<void> write_to(UniqueFd fd, const std::function<Result<void>(ByteSink&)>& write) {
    FileSink sink(std::move(fd));
    TRY(write(sink));
    return sink.flush();
}

}  // namespace

void take_umask() { users_mask = ::umask(0022); }

mode_t users_mode(mode_t mode) { return mode & ~users_mask; }

Result<void> write_out(const std::string& path, const char* what,
                       const std::function<Result<void>(ByteSink&)>& write) {
    if (path.empty() || path == "-") {
        if (::isatty(STDOUT_FILENO) == 1)
            return Error(ErrorKind::InvalidInput, "standard output is a terminal")
                .help("name a file with -o, or use '> FILE'");
        TRY_DOING(write_to(UniqueFd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)), write),
                  "{} to standard output", what);
        return {};
    }
    const bool special = is_special(path);
    const std::string part = special ? path : path + ".part-" + random_hex(4);
    const auto all = [&]() -> Result<void> {
        const int flags = special ? O_WRONLY : O_WRONLY | O_CREAT | O_EXCL;
        UniqueFd fd = TRY(sys::open(part, flags, users_mode(0666)));
        TRY(write_to(std::move(fd), write));
        if (special || ::rename(part.c_str(), path.c_str()) == 0) return {};
        const int error_number = errno;
        return Error::from_errno(error_number, "rename(2)");
    };
    Result<void> written = all();
    if (written) return {};
    if (!special) ::unlink(part.c_str());
    return std::move(written).error().doing("{} to '{}'", what, path);
}

}  // namespace davit::image
