#include "image/parts.h"

#include "base/file.h"
#include "base/sys.h"

#include <ctime>
#include <fcntl.h>
#include <set>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::image {
namespace {

/// The lock of a part that nobody gets just now, as FileLock takes it; nothing where somebody does.
Result<UniqueFd> lock_at_once(const std::string& path) {
    UniqueFd lock = TRY(sys::open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    struct stat held {};
    struct stat named {};
    // Whoever had it may have removed it, and the next pull has made another one: that pull's.
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == -1 || ::fstat(lock.get(), &held) == -1 ||
        ::lstat(path.c_str(), &named) == -1 || held.st_ino != named.st_ino ||
        held.st_dev != named.st_dev)
        return UniqueFd();
    return lock;
}

}  // namespace

std::string parts_folder(const std::string& data_root) { return data_root + "/images/parts"; }

std::string part_file(const std::string& data_root, const std::string& key) {
    return parts_folder(data_root) + "/" + key;
}

std::string part_lock(const std::string& data_root, const std::string& key) {
    return part_file(data_root, key) + ".lock";
}

Result<std::int64_t> sweep_parts(const std::string& data_root, std::chrono::seconds age) {
    constexpr std::string_view kLock = ".lock";
    std::set<std::string> keys;
    for (std::string name : TRY(list_directory(parts_folder(data_root)))) {
        if (name.ends_with(kLock)) name.resize(name.size() - kLock.size());
        keys.insert(std::move(name));
    }
    std::int64_t freed = 0;
    for (const std::string& key : keys) {
        const std::string part = part_file(data_root, key);
        struct stat info {};
        bool there = false;
        const auto is_young = [&] {
            there = ::lstat(part.c_str(), &info) == 0;
            return there && std::time(nullptr) - info.st_mtim.tv_sec < age.count();
        };
        if (is_young()) continue;
        const UniqueFd lock = TRY(lock_at_once(part_lock(data_root, key)));
        // Looked at once more: another pull may have begun and ended meanwhile.
        if (!lock || is_young()) continue;
        if (there && ::unlink(part.c_str()) == 0) freed += info.st_size;
        ::unlink(part_lock(data_root, key).c_str());
    }
    return freed;
}

}  // namespace davit::image
