#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace davit::cli {

/// Tells which files below some folders change. Folders that are made later are watched as well.
class FileWatch {
public:
    /// `roots` are absolute paths of files and folders. @errors NotFound for one that isn't there
    static Result<FileWatch> create(const std::vector<std::string>& roots);

    /// Readable where something has changed.
    int fd() const { return inotify_.get(); }

    /// What has changed since, by path; also what is gone. Doesn't wait.
    std::set<std::string> take();

private:
    void add_tree(const std::string& path, std::set<std::string>* found);
    void add_folder(const std::string& path);

    UniqueFd inotify_ = {};
    std::map<int, std::string> folders_ = {};  ///< By watch descriptor.
};

}  // namespace davit::cli
