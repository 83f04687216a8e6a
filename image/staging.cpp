#include "image/staging.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "base/random.h"
#include "base/sys.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace davit::image {
namespace {

/// Whether the process that made this folder is gone: then its lock can be had.
bool abandoned(const std::string& folder) {
    const Result<UniqueFd> lease = sys::open(folder + "/lease", O_RDWR);
    // Without a lease file it is half made or half removed; its maker holds the folder lock.
    return !lease || ::flock(lease->get(), LOCK_EX | LOCK_NB) == 0;
}

}  // namespace

Result<Staging> Staging::open(const std::string& data_root) {
    const std::string all = data_root + "/images/tmp";
    TRY(make_directories(all, 0700));
    // Held while a folder has no lease yet, so that nobody takes it for abandoned.
    const FileLock making = TRY(FileLock::exclusive(data_root + "/images/tmp.lock"));
    const std::vector<std::string> names = TRY(list_directory(all));
    for (const std::string& name : names) {
        const std::string folder = all + "/" + name;
        if (!abandoned(folder)) continue;
        log::debug("image", "sweeping '{}'", folder);
        // A folder that can't be removed must not stand in the way of every later change.
        if (const Result<void> removed = remove_tree(folder); !removed)
            log::warn("image", "cannot sweep '{}': {}, ignoring", folder,
                      removed.error().to_string());
    }
    const std::vector<std::string> documents = TRY(list_directory(data_root + "/images"));
    for (const std::string& name : documents) {
        // index.json is written under the store's lock, which nobody holds for longer than a
        // moment: what stands here as a part was left by a killed process, unless it is that
        // moment.
        if (!name.starts_with("index.json.") || !name.ends_with(".tmp")) continue;
        const FileLock lock = TRY(FileLock::exclusive(data_root + "/images/lock"));
        ::unlink((data_root + "/images/" + name).c_str());
    }
    std::string path = all + "/" + random_hex(8);
    TRY(make_directories(path, 0700));
    FAILPOINT("image.stage");
    FileLock lease = TRY(FileLock::exclusive(path + "/lease"));
    return Staging(std::move(path), std::move(lease));
}

Staging::~Staging() {
    if (path_.empty()) return;
    if (const Result<void> removed = remove_tree(path_); !removed)
        log::warn("image", "{}, ignoring", removed.error().to_string());
}

}  // namespace davit::image
