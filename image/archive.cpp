#include "image/archive.h"

#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "image/store_files.h"
#include "image/tar_content.h"

#include <fcntl.h>
#include <fmt/format.h>

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

}  // namespace

Result<Archive> Archive::spool(ByteSource& source, const std::string& staging) {
    Archive archive;
    const std::unique_ptr<ByteSource> plain = TRY(decompress(source));
    TarReader reader(*plain);
    const UnpackLimits limits;
    TarContent content(reader, limits);
    for (std::size_t number = 0;; ++number) {
        const std::optional<TarEntry> entry = TRY(reader.next());
        if (!entry) break;
        if (number >= kMostEntries)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("the archive has more than {} files", kMostEntries));
        const std::string name = clean_name(entry->path);
        // A name that comes twice means what came last.
        if (entry->type != TarType::Directory) {
            archive.files_.erase(name);
            archive.links_.erase(name);
        }
        if (entry->type == TarType::SymLink) {
            archive.links_[name] = clean_name(join_path(folder_of(name), entry->link));
        } else if (entry->type == TarType::HardLink) {
            archive.links_[name] = clean_name(entry->link);
        } else if (entry->type == TarType::Regular) {
            // A number, not the archive's name: nothing in it can choose where we write.
            const std::string path = fmt::format("{}/file-{}", staging, number);
            const UniqueFd file =
                TRY(sys::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
            TRY_DOING(content.write(*entry, file), "write '{}'", path);
            archive.files_[name] = path;
        }
    }
    return archive;
}

Archive Archive::folder(const std::string& path) {
    Archive archive;
    archive.folder_ = path;
    return archive;
}

bool Archive::has(const std::string& name) const { return path_of(name).ok(); }

Result<std::string> Archive::path_of(const std::string& name) const {
    std::string wanted = clean_name(name);
    if (leads_out(wanted)) return missing(name);
    if (!folder_.empty()) {
        std::string path = folder_ + "/" + wanted;
        if (!exists(path)) return missing(name);
        return path;
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
    const std::string path = TRY(path_of(name));
    return read_file(path, kLargestDocument);
}

}  // namespace davit::image
