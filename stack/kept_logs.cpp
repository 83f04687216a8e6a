#include "stack/kept_logs.h"

#include "base/failpoint.h"
#include "base/strings.h"
#include "base/sys.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sendfile.h>
#include <unistd.h>

namespace davit::stack {
namespace {

constexpr std::string_view kCompressed = ".gz";

/// The name `to`, in the form that `from` is in: a compressed file stays one.
std::string as(const std::string& from, std::string to) {
    if (from.ends_with(kCompressed)) to += kCompressed;
    return to;
}

/// The files of a log, the newest first: PATH, PATH.1, PATH.2.gz, …
std::vector<std::string> files_of(const std::string& path) {
    std::vector<std::string> files;
    if (exists(path)) files.push_back(path);
    for (int number = 1;; ++number) {
        const std::string rotated = fmt::format("{}.{}", path, number);
        // Between two renames of a rotation one name is missing; two are the end.
        const std::string after = fmt::format("{}.{}", path, number + 1);
        if (exists(rotated))
            files.push_back(rotated);
        else if (exists(fmt::format("{}{}", rotated, kCompressed)))
            files.push_back(fmt::format("{}{}", rotated, kCompressed));
        else if (!exists(after) && !exists(fmt::format("{}{}", after, kCompressed)))
            return files;
    }
}

Error failed(const char* call, const std::string& path) {
    const int error_number = errno;
    return Error::from_errno(error_number, call).doing("keep the log '{}'", path);
}

/// From one file system to another, as a service with a data root of its own may have it.
Result<void> copy_file(const std::string& from, const std::string& to) {
    const std::string half = to + ".tmp";
    const UniqueFd source = TRY(sys::open(from, O_RDONLY | O_NOFOLLOW));
    const UniqueFd target = TRY(sys::open(half, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
    constexpr std::size_t kAtOnce = std::size_t{1} << 20U;
    for (;;) {
        const ssize_t sent = sys::retry_on_eintr(
            [&] { return ::sendfile(target.get(), source.get(), nullptr, kAtOnce); });
        if (sent == -1) return failed("sendfile(2)", from);
        if (sent == 0) break;
    }
    if (::rename(half.c_str(), to.c_str()) == -1) return failed("rename(2)", from);
    if (::unlink(from.c_str()) == -1) return failed("unlink(2)", from);
    return {};
}

Result<void> move_file(const std::string& from, const std::string& to) {
    FAILPOINT("logs.move");
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return errno == EXDEV ? copy_file(from, to) : Result<void>(failed("rename(2)", from));
}

}  // namespace

int log_files_of(const ContainerRecord& record) {
    const auto option = record.logging.options.find("max-file");
    const auto number =
        option == record.logging.options.end() ? std::nullopt : parse_integer(option->second);
    constexpr int kUsual = 3;
    return number ? static_cast<int>(*number) : kUsual;
}

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
        TRY(move_file(kept[i - 1],
                      as(kept[i - 1], fmt::format("{}/log.{}", folder, i + fresh.size()))));
    for (std::size_t i = fresh.size(); i > 0; --i)
        TRY(move_file(fresh[i - 1], as(fresh[i - 1], fmt::format("{}/log.{}", folder, i))));
    return {};
}

Result<void> take_logs(const Paths& paths, const ContainerRecord& record, int max_files) {
    const std::string folder = kept_logs(paths, record.project) + "/" + record.name;
    if (!exists(folder)) return {};
    const std::vector<std::string> kept = files_of(folder + "/log");
    if (!record.log_path.empty()) {
        const std::size_t rotated = static_cast<std::size_t>(std::max(max_files, 1)) - 1;
        for (std::size_t i = std::min(rotated, kept.size()); i > 0; --i)
            TRY(move_file(kept[i - 1], as(kept[i - 1], fmt::format("{}.{}", record.log_path, i))));
    }
    TRY(remove_tree(folder));
    // The last one's.
    ::rmdir(kept_logs(paths, record.project).c_str());
    return {};
}

}  // namespace davit::stack
