#pragma once

#include "image/byte_source.h"
#include "image/tar_sparse.h"

#include <cstdint>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace davit::image {

enum class TarType { Regular, HardLink, SymLink, CharDevice, BlockDevice, Directory, Fifo };

struct TarEntry {
    TarType type = TarType::Regular;
    std::string path = {};  ///< As it stands in the archive.
    std::string link = {};  ///< Target of a hard or symbolic link.
    mode_t mode = 0;        ///< Permission bits with setuid, setgid, sticky.
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::int64_t size = 0;  ///< Of a sparse file with its holes.
    timespec mtime = {};
    unsigned major = 0;
    unsigned minor = 0;
    std::map<std::string, std::string> xattrs = {};
};

/// Reads a tar archive from front to back: ustar, GNU long names, pax headers with extended
/// attributes, base-256 numbers, sparse files of all four forms (tar_sparse.h).
/// @source POSIX.1-2017 pax "ustar Interchange Format"; GNU tar manual "Basic Tar Format"
class TarReader {
public:
    /// `source` must outlive the reader.
    explicit TarReader(ByteSource& source) : source_(source) {}

    /// The next entry; nothing at the end of the archive. What the caller has not read of the last
    /// one is passed over. @errors InvalidInput, naming the entry
    Result<std::optional<TarEntry>> next();

    /// At most `size` bytes of the entry's content; 0 at its end. A hole reads as zeros.
    Result<std::size_t> read(char* buffer, std::size_t size);

    /// Whether the entry's content, of which nothing was read yet, stands in the archive as it is.
    bool in_one_piece() const;

    /// Passes over the hole of a sparse file that begins here. Returns how many bytes it has; 0:
    /// there is none.
    std::int64_t pass_hole();

private:
    using PaxRecords = std::map<std::string, std::string>;
    Result<bool> read_block(char* block);
    Result<void> skip(std::int64_t size);
    Result<std::string> read_text(std::int64_t size);
    Result<void> read_exactly(char* buffer, std::size_t size);
    Result<void> begin_content(TarEntry& entry, const char* block, const PaxRecords& pax);
    Result<std::int64_t> read_old_map(const char* header, SparseMap& map);
    Result<SparseMap> read_newest_map();

    ByteSource& source_;
    std::int64_t left_ = 0;            ///< Of the entry's content, in the archive.
    std::int64_t padding_ = 0;         ///< Up to the next block, after the content.
    std::vector<SparsePiece> pieces_;  ///< What `read` gives; one of them where nothing is sparse.
    std::size_t piece_ = 0;
    PaxRecords global_;
};

}  // namespace davit::image
