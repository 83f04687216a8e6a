#include "image/archive.h"

#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "image/store_files.h"
#include "image/tar_content.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::image {
namespace {

/// Followed at most: a chain that is longer goes in circles.
constexpr int kMostLinks = 8;
constexpr std::size_t kMostEntries = 100'000;

Error missing(const std::string& name) {
    return Error(ErrorKind::InvalidInput,
                 fmt::format("the archive has no file '{}'", printable(name)));
}

bool leads_out(const std::string& clean) { return clean == ".." || clean.starts_with("../"); }

/// A name in the archive without "./" and the like.
std::string clean_name(const std::string& name) {
    std::string clean = clean_path(name);
    while (clean.starts_with('/')) clean.erase(0, 1);
    return clean;
}

std::string folder_of(const std::string& name) {
    const std::size_t slash = name.rfind('/');
    return slash == std::string::npos ? std::string() : name.substr(0, slash);
}

/// What is left of an open file, where that is a tar as it is: anything else has to be read from
/// front to back. @source POSIX pax "ustar Interchange Format"
Result<std::optional<FileRange>> plain_tar(const UniqueFd& file) {
    constexpr off_t kMagicAt = 257;
    constexpr off_t kBlock = 512;
    struct stat info {};
    if (::fstat(file.get(), &info) == -1) return sys::failed("fstat(2)");
    if (!S_ISREG(info.st_mode)) return std::optional<FileRange>();
    const off_t begin = ::lseek(file.get(), 0, SEEK_CUR);
    if (begin == -1) return sys::failed("lseek(2)");
    // Some file systems don't say the size.
    if (info.st_size - begin < kBlock) return std::optional<FileRange>();
    char magic[5] = {};
    const ssize_t got = sys::retry_on_eintr(
        [&] { return ::pread(file.get(), magic, sizeof magic, begin + kMagicAt); });
    if (got != sizeof magic || std::string_view(magic, sizeof magic) != "ustar")
        return std::optional<FileRange>();
    FileRange all;
    all.offset = begin;
    all.size = info.st_size - begin;
    return std::optional<FileRange>(std::move(all));
}

}  // namespace

Result<Archive> Archive::open(UniqueFd file, const std::string& staging) {
    Archive archive;
    if (const std::optional<FileRange> found = TRY(plain_tar(file))) {
        const auto shared = std::make_shared<const UniqueFd>(std::move(file));
        RangeSource tar(shared, found->offset, found->size);
        TRY(archive.read_entries(tar, &tar, shared, staging));
        // Who shares the descriptor finds it behind the archive, as if it had been read.
        if (::lseek(shared->get(), tar.position(), SEEK_SET) == -1) return sys::failed("lseek(2)");
        return archive;
    }
    const std::unique_ptr<ByteSource> source = read_descriptor(std::move(file));
    const std::unique_ptr<ByteSource> plain = TRY(decompress(*source));
    TRY(archive.read_entries(*plain, nullptr, nullptr, staging));
    return archive;
}

/// Notes where the files are, or spools them; `where` is `tar` itself where it is a stretch of
/// `file`.
Result<void> Archive::read_entries(ByteSource& tar, const RangeSource* where,
                                   const std::shared_ptr<const UniqueFd>& file,
                                   const std::string& staging) {
    TarReader reader(tar);
    const UnpackLimits limits;
    TarContent content(reader, limits);
    for (std::size_t number = 0;; ++number) {
        const std::optional<TarEntry> entry = TRY(reader.next());
        if (!entry) return {};
        if (number >= kMostEntries)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("the archive has more than {} files", kMostEntries));
        const std::string name = clean_name(entry->path);
        // A name that comes twice means what came last.
        if (entry->type != TarType::Directory) {
            files_.erase(name);
            links_.erase(name);
        }
        if (entry->type == TarType::SymLink) {
            links_[name] = clean_name(join_path(folder_of(name), entry->link));
        } else if (entry->type == TarType::HardLink) {
            links_[name] = clean_name(entry->link);
        } else if (entry->type == TarType::Regular) {
            if (where != nullptr && reader.in_one_piece()) {
                files_[name] = {"", file, where->position(), entry->size};
                continue;
            }
            // A number, not the archive's name: nothing in it can choose where we write.
            const std::string path = fmt::format("{}/file-{}", staging, number);
            const UniqueFd spooled =
                TRY(sys::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
            TRY_DOING(content.write(*entry, spooled), "write '{}'", path);
            files_[name] = {path, nullptr, 0, entry->size};
        }
    }
}

Archive Archive::folder(const std::string& path) {
    Archive archive;
    archive.folder_ = path;
    return archive;
}

bool Archive::has(const std::string& name) const { return find(name).ok(); }

Result<FileRange> Archive::find(const std::string& name) const {
    std::string wanted = clean_name(name);
    if (leads_out(wanted)) return missing(name);
    if (!folder_.empty()) {
        FileRange file;
        file.path = folder_ + "/" + wanted;
        struct stat info {};
        if (::stat(file.path.c_str(), &info) == -1) return missing(name);
        if (!S_ISREG(info.st_mode))
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' of the archive is not a file", printable(name)));
        file.size = info.st_size;
        return file;
    }
    for (int followed = 0; followed <= kMostLinks; ++followed) {
        if (const auto file = files_.find(wanted); file != files_.end()) return file->second;
        const auto link = links_.find(wanted);
        if (link == links_.end()) break;
        wanted = link->second;
    }
    return missing(name);
}

Result<std::string> Archive::read(const std::string& name) const {
    const FileRange file = TRY(find(name));
    if (!file.archive) return read_file(file.path, kLargestDocument);
    if (file.size > static_cast<std::int64_t>(kLargestDocument))
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' of the archive has more than {} bytes", printable(name),
                                 kLargestDocument));
    const std::unique_ptr<ByteSource> source = TRY(open_range(file));
    std::string text(static_cast<std::size_t>(file.size), '\0');
    for (std::size_t have = 0; have < text.size();) {
        const std::size_t got = TRY(source->read(text.data() + have, text.size() - have));
        if (got == 0)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' of the archive is cut short", printable(name)));
        have += got;
    }
    return text;
}

}  // namespace davit::image
