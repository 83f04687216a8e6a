#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <map>
#include <set>
#include <string>
#include <sys/inotify.h>
#include <vector>

namespace davit::cli {

/// Tells which files below some folders change. Folders that are made later are watched as well.
class FileWatch {
public:
    /// `roots` are absolute paths of files and folders. @errors NotFound for one that isn't there;
    /// System where the kernel gives no more watches
    static Result<FileWatch> create(const std::vector<std::string>& roots);

    /// Readable where something has changed.
    int fd() const { return inotify_.get(); }

    /// What has changed since, by path; also what is gone. Where the kernel had to drop some of it,
    /// everything that is there. Doesn't wait.
    Result<std::set<std::string>> take();

private:
    Result<void> add_roots(std::set<std::string>* found);
    Result<void> add_tree(const std::string& path, std::set<std::string>* found);
    Result<void> add_folder(const std::string& path);
    Result<void> take_event(const inotify_event& event, std::set<std::string>& changed);

    UniqueFd inotify_ = {};
    std::vector<std::string> roots_ = {};
    std::map<int, std::string> folders_ = {};  ///< By watch descriptor.
};

}  // namespace davit::cli
