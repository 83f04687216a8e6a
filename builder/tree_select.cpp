#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "builder/tree.h"

#include <algorithm>
#include <climits>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <unistd.h>

namespace davit::builder {
namespace {

constexpr std::size_t kMostItems = 10'000'000;

/// A path of the Dockerfile as one relative to a root, without "..": like "/.." is "/".
std::string inside(const std::string& path) {
    std::string clean = clean_path("/" + path);
    clean.erase(0, 1);
    return clean;
}

Result<std::vector<std::string>> names_in(const UniqueFd& root, const std::string& folder) {
    UniqueFd fd = TRY(
        sys::open_in_root(root, folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd.get()), ::closedir);
    if (!dir) return Error::from_errno(errno, "fdopendir(3)");
    (void)fd.release();
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(dir.get())) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

class Walker {
public:
    Walker(const TreeSource& source, const SelectOptions& options)
        : source_(source), options_(options) {}

    /// `excluded_path`: as --exclude sees it, relative to the source.
    Result<void> add(const std::string& path, const std::string& target,
                     const std::string& excluded_path, bool follow, Selection& selection) {
        if (selection.items.size() >= kMostItems)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("more than {} files are to be copied", kMostItems))
                .help("leave some of them out with .dockerignore");
        TreeItem item;
        item.source = path;
        item.target = target;
        TRY(look(path, follow, item));
        const bool folder = S_ISDIR(item.info.st_mode);
        const bool left_out = is_left_out(path, excluded_path);
        const bool go_in = folder && (!left_out || may_hold_exceptions(path, excluded_path));
        if (S_ISSOCK(item.info.st_mode)) return {};  // as Docker: nobody listens at a copy
        const std::size_t place = selection.items.size();
        selection.items.push_back(std::move(item));
        if (go_in) {
            const std::vector<std::string> names = TRY(names_in(*source_.root, path));
            for (const std::string& name : names)
                TRY(add(joined(path, name), joined(target, name), joined(excluded_path, name),
                        false, selection));
        }
        // A folder that is left out comes along where something in it does not.
        if (left_out && selection.items.size() == place + 1) selection.items.pop_back();
        return {};
    }

    bool is_left_out(const std::string& path, const std::string& excluded_path) const {
        return (source_.ignore != nullptr && !path.empty() && source_.ignore->excludes(path)) ||
               (options_.exclude != nullptr && !excluded_path.empty() &&
                options_.exclude->excludes(excluded_path));
    }

private:
    bool may_hold_exceptions(const std::string& path, const std::string& excluded_path) const {
        return (source_.ignore != nullptr && source_.ignore->may_hold_exceptions(path)) ||
               (options_.exclude != nullptr &&
                options_.exclude->may_hold_exceptions(excluded_path));
    }

    Result<void> look(const std::string& path, bool follow, TreeItem& item) const {
        const int flags = O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW);
        const UniqueFd fd = TRY(sys::open_in_root(*source_.root, path.empty() ? "." : path, flags));
        if (::fstat(fd.get(), &item.info) == -1) return Error::from_errno(errno, "fstat(2)");
        if (!S_ISLNK(item.info.st_mode)) return {};
        char buffer[PATH_MAX];
        const ssize_t size = ::readlinkat(fd.get(), "", buffer, sizeof buffer);
        if (size == -1) return Error::from_errno(errno, "readlinkat(2)");
        item.link.assign(buffer, static_cast<std::size_t>(size));
        return {};
    }

    const TreeSource& source_;
    const SelectOptions& options_;
};

bool has_wildcard(std::string_view text) {
    return text.find_first_of("*?[\\") != std::string_view::npos;
}

/// Whether `pattern` may mean nothing: it has a wildcard that isn't escaped.
/// @source tonistiigi/fsutil copy, containsWildcards
bool is_open(std::string_view pattern) {
    for (std::size_t at = 0; at < pattern.size(); ++at) {
        if (pattern[at] == '\\')
            ++at;
        else if (pattern[at] == '*' || pattern[at] == '?' || pattern[at] == '[')
            return true;
    }
    return false;
}

/// The paths that a pattern means: one part after the other.
Result<std::vector<std::string>> matches(const TreeSource& source, const std::string& pattern) {
    std::vector<std::string> found = {""};
    if (pattern.empty()) return found;
    for (const std::string& part : split(pattern, '/')) {
        std::vector<std::string> next;
        if (!has_wildcard(part)) {
            for (const std::string& folder : found) next.push_back(joined(folder, part));
            found = std::move(next);
            continue;
        }
        const PathPattern glob = TRY(PathPattern::parse(part));
        for (const std::string& folder : found) {
            const auto names = names_in(*source.root, folder);
            if (!names) continue;  // no folder: nothing matches in it
            for (const std::string& name : *names)
                if (glob.matches(name)) next.push_back(joined(folder, name));
        }
        found = std::move(next);
    }
    return found;
}

Error no_match(const TreeSource& source, const std::string& pattern, bool ignored) {
    return Error(ErrorKind::NotFound, fmt::format("'{}' is not in the {}", printable(pattern),
                                                  source.keep_owners ? "image" : "build context"))
        .help(ignored ? ".dockerignore leaves it out"
                      : "paths are relative to the root of it, and can't leave it");
}

}  // namespace

Result<std::vector<Selection>> select_items(const TreeSource& source, const std::string& pattern,
                                            const SelectOptions& options) {
    std::string pivot;  // --parents: what stands before "/./" is not kept
    if (const std::size_t at = pattern.find("/./"); options.parents && at != std::string::npos)
        pivot = inside(pattern.substr(0, at));
    std::vector<std::string> paths = {inside(pattern)};
    if (!options.literal) paths = TRY(matches(source, paths.front()));
    std::vector<Selection> selections;
    bool ignored = false;
    for (const std::string& path : paths) {
        Walker walker(source, options);
        Selection selection;
        selection.name = path.substr(path.rfind('/') + 1);
        const auto info = TRY(look_at(*source.root, path));
        if (!info) continue;
        selection.folder = S_ISDIR(info->st_mode);
        std::string target;
        if (options.parents)
            target = pivot.empty() ? path : path.substr(std::min(path.size(), pivot.size() + 1));
        const std::string seen = selection.folder ? std::string() : selection.name;
        if (!selection.folder && walker.is_left_out(path, seen)) {
            ignored = true;
            continue;
        }
        if (selection.folder && source.ignore != nullptr && !path.empty() &&
            source.ignore->excludes(path) && !source.ignore->may_hold_exceptions(path)) {
            ignored = true;
            continue;
        }
        TRY_DOING(walker.add(path, target, seen, true, selection), "read '{}'", printable(path));
        selections.push_back(std::move(selection));
    }
    if (selections.empty() && (options.literal || !is_open(pattern)))
        return no_match(source, pattern, ignored);
    return selections;
}

Result<std::optional<struct stat>> look_at(const UniqueFd& root, const std::string& path) {
    const auto fd = sys::open_in_root(root, path.empty() ? "." : path, O_PATH | O_CLOEXEC);
    if (!fd) {
        const int number = fd.error().error_number();
        if (number == ENOENT || number == ENOTDIR) return std::optional<struct stat>();
        return fd.error();
    }
    struct stat info {};
    if (::fstat(fd->get(), &info) == -1) return Error::from_errno(errno, "fstat(2)");
    return std::optional<struct stat>(info);
}

}  // namespace davit::builder
