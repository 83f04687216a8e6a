#pragma once

#include "base/json.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "builder/ignore.h"
#include "builder/mode_changes.h"
#include "builder/step_runner.h"

#include <cstdint>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <vector>

/// Choosing files of a folder that may be hostile, and copying them into a root that may be
/// hostile. Every path is looked up inside its root (openat2, RESOLVE_IN_ROOT): no link leads out.
namespace davit::builder {

/// "a/b"; where one of the two is empty it is the other.
inline std::string joined(const std::string& folder, const std::string& name) {
    if (name.empty()) return folder;
    return folder.empty() ? name : folder + "/" + name;
}

/// Where files come from.
struct TreeSource {
    const UniqueFd* root = nullptr;
    const IgnoreFile* ignore = nullptr;  ///< Of a build context; null: none.
    bool keep_owners = false;            ///< Those of other stages stay; a context's become 0:0.
};

/// One file, folder or link that is to be copied.
struct TreeItem {
    std::string source = {};  ///< Path in the source's root.
    std::string target = {};  ///< Relative to the destination; empty: the destination itself.
    struct stat info = {};
    std::string link = {};  ///< Of a symbolic link.
};

/// What one source word of COPY has chosen.
struct Selection {
    std::vector<TreeItem> items = {};  ///< Folders before what is in them, sorted.
    bool folder = false;               ///< A folder's contents.
    std::string name = {};             ///< The last part of the path, of a file.
    bool archive = false;              ///< ADD: to be unpacked.
};

struct SelectOptions {
    bool parents = false;                 ///< --parents: the path stays.
    const IgnoreFile* exclude = nullptr;  ///< --exclude
    bool literal = false;                 ///< The pattern is a path: `*` is a letter like others.
};

/// What `pattern` (with `*`, `?`, `[…]`) means in `source`, one Selection for each match. None
/// where it has wildcards and nothing matches: `yarn.lock*` is how a file is named that may be
/// missing. @errors NotFound where it has none, and the path isn't there
Result<std::vector<Selection>> select_items(const TreeSource& source, const std::string& pattern,
                                            const SelectOptions& options);

/// How items are to look at their destination.
struct CopyAttributes {
    std::optional<Owner> owner = {};
    std::optional<mode_t> mode = {};
    ModeChanges changes = {};  ///< Of `mode`, or of the mode that each item has.

    /// The mode of what has `mode` at its source.
    mode_t mode_of(mode_t own, bool folder) const {
        return changes.applied(mode.value_or(own), folder);
    }
};

/// What the items are made of, for the cache: paths, types, modes, owners, contents; no times.
Result<std::string> digest_of(const TreeSource& source, const std::vector<TreeItem>& items,
                              const CopyAttributes& attributes);

/// Copies the items to `destination` in `root`. Files that are there are replaced; folders are
/// merged. @errors InvalidInput where a file stands in the way of a folder
Result<void> copy_items(const TreeSource& source, const std::vector<TreeItem>& items,
                        const UniqueFd& root, const std::string& destination,
                        const CopyAttributes& attributes);

/// mkdir -p inside `root`; links are followed inside of it. Returns whether something was made.
Result<bool> make_folders(const UniqueFd& root, const std::string& path, const Owner& owner);

/// What is at `path` inside `root`, links followed; nothing where nothing is.
Result<std::optional<struct stat>> look_at(const UniqueFd& root, const std::string& path);

/// Writes a new file into `root`, in place of what is there.
Result<void> write_file_in(const UniqueFd& root, const std::string& path, std::string_view text,
                           mode_t mode, const Owner& owner);

}  // namespace davit::builder
