#pragma once

#include "base/result.h"
#include "image/byte_source.h"

#include <map>
#include <string>

namespace davit::image {

/// The files of an image archive by the names they have in it, on disk. From a tar (plain or
/// compressed), whose regular files are spooled to a staging folder under names of our own, or from
/// a folder that is an OCI layout.
class Archive {
public:
    /// Spools `source` into `staging`. @errors InvalidInput
    static Result<Archive> spool(ByteSource& source, const std::string& staging);
    /// Takes the folder as it is.
    static Archive folder(const std::string& path);

    /// Whether its files are ours to take; else they are somebody's layout.
    bool owned() const { return folder_.empty(); }
    bool has(const std::string& name) const;
    /// Path on disk of the file `name`, links inside the archive followed.
    /// @errors InvalidInput where the archive has no such file
    Result<std::string> path_of(const std::string& name) const;
    /// A document of the archive: at most 4 MiB.
    Result<std::string> read(const std::string& name) const;

private:
    std::string folder_;                        ///< Empty for a spooled archive.
    std::map<std::string, std::string> files_;  ///< Name to path on disk.
    std::map<std::string, std::string> links_;  ///< Name to name.
};

}  // namespace davit::image
