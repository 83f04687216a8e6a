#include "builder/remote_context.h"

#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "builder/archive_add.h"
#include "builder/remote_file.h"
#include "image/staging.h"
#include "image/store.h"

#include <climits>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::builder {
namespace {

constexpr std::size_t kLargestDockerfile = std::size_t{16} << 20U;

class Fetched : public FetchedContext {
public:
    explicit Fetched(image::Staging staging) : staging_(std::move(staging)) {}
    std::string path(const char* name) const { return staging_.path() + "/" + name; }

private:
    image::Staging staging_;
};

/// A clean path inside of a root, without the '/' in front: "/.." is "/".
std::string inside(const std::string& path) { return clean_path("/" + path).substr(1); }

/// A folder within a repository or an archive that may be hostile.
Result<std::string> folder_in(const std::string& root, const std::string& path) {
    const std::string part = inside(path);
    if (part.empty()) return root;
    const UniqueFd top = TRY(sys::open(root, O_PATH | O_DIRECTORY));
    const auto fd = sys::open_in_root(top, part, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (!fd)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' is no folder of the context", printable(path)))
            .help("name a folder after the ':', or none");
    char found[PATH_MAX];
    const ssize_t size =
        ::readlink(fmt::format("/proc/self/fd/{}", fd->get()).c_str(), found, sizeof found);
    if (size <= 0) return Error::from_errno(errno, "readlink(2)");
    return std::string(found, static_cast<std::size_t>(size));
}

Result<void> take_file(const std::string& file, const std::string& name, Fetched& context) {
    UniqueFd fd = TRY(sys::open(file, O_RDONLY));
    if (TRY(is_archive(fd))) {
        const UniqueFd root = TRY(sys::open(context.folder, O_RDONLY | O_DIRECTORY));
        return unpack_archive(std::move(fd), root, "");
    }
    std::string text = TRY(read_file(file, kLargestDockerfile));
    context.dockerfile =
        std::make_shared<const SourceFile>(SourceFile{printable(name), std::move(text)});
    return {};
}

Result<void> take_input(Fetched& context) {
    const std::string path = context.path("input");
    const UniqueFd file = TRY(sys::open(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
    std::string buffer(std::size_t{256} << 10U, '\0');
    for (;;) {
        const ssize_t got =
            sys::retry_on_eintr([&] { return ::read(STDIN_FILENO, buffer.data(), buffer.size()); });
        if (got == -1) return Error::from_errno(errno, "read(2)").doing("read standard input");
        if (got == 0) break;
        TRY(write_all(file, std::string_view(buffer).substr(0, static_cast<std::size_t>(got))));
    }
    return take_file(path, "<stdin>", context);
}

Result<std::shared_ptr<const SourceFile>> read_in(const std::string& folder,
                                                  const std::string& path) {
    const UniqueFd root = TRY(sys::open(folder, O_PATH | O_DIRECTORY));
    const UniqueFd fd =
        TRY(sys::open_in_root(root, inside(path), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat info {};
    if (::fstat(fd.get(), &info) == -1) return Error::from_errno(errno, "fstat(2)");
    if (!S_ISREG(info.st_mode))
        return Error(ErrorKind::InvalidInput, fmt::format("'{}' is no file", printable(path)));
    std::string text =
        TRY(read_file(fmt::format("/proc/self/fd/{}", fd.get()), kLargestDockerfile));
    return std::make_shared<const SourceFile>(SourceFile{inside(path), std::move(text)});
}

}  // namespace

bool is_remote_context(const std::string& place) {
    return place == "-" || is_url(place) || is_git_address(place);
}

Result<std::shared_ptr<const FetchedContext>> fetch_context(const std::string& data_root,
                                                            const std::string& address,
                                                            const GitOptions& options) {
    (void)TRY(image::Store::open(data_root));
    image::Staging staging = TRY(image::Staging::open(data_root));
    const auto context = std::make_shared<Fetched>(std::move(staging));
    context->folder = context->path("context");
    TRY(make_directories(context->folder, 0755));
    if (address == "-") {
        TRY(take_input(*context));
    } else if (is_git_address(address)) {
        const GitAddress git = TRY(parse_git_address(address));
        const std::string commit = TRY(resolve_commit(git, options));
        TRY(check_out(git, commit, context->folder, options));
        context->folder = TRY(folder_in(context->folder, git.folder));
    } else {
        const RemoteOptions remote{.data_root = data_root,
                                   .folder = context->path("download"),
                                   .fresh = true,
                                   .cancelled = options.cancelled};
        const RemoteFile file = TRY(look_at_url(address, "", remote));
        TRY(take_file(file.path, file.name, *context));
    }
    return std::shared_ptr<const FetchedContext>(context);
}

Result<std::shared_ptr<const SourceFile>> read_source_in(const std::string& folder,
                                                         const std::string& path) {
    auto read = read_in(folder, path);
    if (read) return read;
    return std::move(read)
        .error()
        .doing("read the Dockerfile of the context")
        .help("name it with -f, or with 'dockerfile' in build");
}

Result<std::shared_ptr<const SourceFile>> find_ignore_file_in(const std::string& folder,
                                                              const std::string& dockerfile) {
    for (const std::string& path : {dockerfile + ".dockerignore", std::string(".dockerignore")}) {
        auto read = read_in(folder, path);
        if (read) return read;
        if (read.error().kind() != ErrorKind::NotFound) return std::move(read).error();
    }
    return std::shared_ptr<const SourceFile>();
}

}  // namespace davit::builder
