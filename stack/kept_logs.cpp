#include "stack/kept_logs.h"

#include "base/strings.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace davit::stack {
namespace {

/// The files of a log, the newest first: PATH, PATH.1, PATH.2, …
std::vector<std::string> files_of(const std::string& path) {
    std::vector<std::string> files;
    if (exists(path)) files.push_back(path);
    for (int number = 1;; ++number) {
        const std::string rotated = fmt::format("{}.{}", path, number);
        // Between two renames of a rotation one name is missing; two are the end.
        if (exists(rotated))
            files.push_back(rotated);
        else if (!exists(fmt::format("{}.{}", path, number + 1)))
            return files;
    }
}

Result<void> move_file(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    const int error_number = errno;
    return Error::from_errno(error_number, "rename(2)").doing("keep the log '{}'", from);
}

}  // namespace

std::string kept_logs(const Paths& paths, const std::string& project) {
    return paths.project(project) + "/kept-logs";
}

// The folder of a container's kept logs has 1, 2, … from the newest on. What a killed davit has put
// there comes before what is put there now: both are moved file by file, the oldest first, and a
// number is taken only when it is free.
Result<void> keep_logs(const Paths& paths, const ContainerRecord& record) {
    if (record.log_path.empty()) return {};
    const std::vector<std::string> fresh = files_of(record.log_path);
    if (fresh.empty()) return {};
    const std::string folder = kept_logs(paths, record.project) + "/" + record.name;
    TRY(make_directories(folder, 0700));
    const std::vector<std::string> kept = files_of(folder + "/log");
    for (std::size_t i = kept.size(); i > 0; --i)
        TRY(move_file(kept[i - 1], fmt::format("{}/log.{}", folder, i + fresh.size())));
    for (std::size_t i = fresh.size(); i > 0; --i)
        TRY(move_file(fresh[i - 1], fmt::format("{}/log.{}", folder, i)));
    return {};
}

Result<void> take_logs(const Paths& paths, const ContainerRecord& record, int max_files) {
    const std::string folder = kept_logs(paths, record.project) + "/" + record.name;
    if (!exists(folder)) return {};
    const std::vector<std::string> kept = files_of(folder + "/log");
    if (!record.log_path.empty()) {
        const std::size_t rotated = static_cast<std::size_t>(std::max(max_files, 1)) - 1;
        for (std::size_t i = std::min(rotated, kept.size()); i > 0; --i)
            TRY(move_file(kept[i - 1], fmt::format("{}.{}", record.log_path, i)));
    }
    TRY(remove_tree(folder));
    // The last one's.
    ::rmdir(kept_logs(paths, record.project).c_str());
    return {};
}

}  // namespace davit::stack
