#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "image/file_range.h"

#include <map>
#include <string>

namespace davit::image {

/// The files of an image archive by the names they have in it. Of a plain tar that is a file they
/// are read where they stand; of any other tar (compressed, or from a pipe) they are spooled to a
/// staging folder under names of our own; and there are folders that are an OCI layout.
class Archive {
public:
    /// Reads the tar that is open as `file`, from where that is. @errors InvalidInput
    static Result<Archive> open(UniqueFd file, const std::string& staging);
    /// Takes the folder as it is.
    static Archive folder(const std::string& path);

    bool has(const std::string& name) const;
    /// Where the file `name` is, links inside the archive followed.
    /// @errors InvalidInput where the archive has no such file
    Result<FileRange> find(const std::string& name) const;
    /// Whether a file was made for this archive: who reads it may take it away.
    bool is_spooled(const FileRange& file) const { return !file.archive && folder_.empty(); }
    /// A document of the archive: at most 4 MiB.
    Result<std::string> read(const std::string& name) const;

private:
    Result<void> read_entries(ByteSource& tar, const RangeSource* where,
                              const std::shared_ptr<const UniqueFd>& file,
                              const std::string& staging);

    std::string folder_;                        ///< Empty for a tar.
    std::map<std::string, FileRange> files_;    ///< By name.
    std::map<std::string, std::string> links_;  ///< Name to name.
};

}  // namespace davit::image
