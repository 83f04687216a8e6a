#include "builder/mount_stubs.h"

#include "base/file.h"
#include "builder/tree.h"

#include <algorithm>
#include <sys/xattr.h>

namespace davit::builder {
namespace {

bool is_same(const struct stat& before, const struct stat& now, std::uint32_t base) {
    return before.st_mode == now.st_mode && before.st_uid + base == now.st_uid &&
           before.st_gid + base == now.st_gid;
}

bool is_opaque(const std::string& path) {
    return ::lgetxattr(path.c_str(), "trusted.overlay.opaque", nullptr, 0) > 0;
}

}  // namespace

Result<void> MountStubs::look(const UniqueFd& lower, std::vector<std::string> targets) {
    for (const char* name :
         {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev", "/proc", "/sys"})
        targets.emplace_back(name);
    for (const std::string& target : targets) {
        const std::string path = clean_path(target).substr(1);
        for (std::size_t end = path.find('/');; end = path.find('/', end + 1)) {
            const std::string part = path.substr(0, end);
            const auto there = TRY(look_at(lower, part));
            if (!there) missing_.insert(part);
            if (there && S_ISDIR(there->st_mode)) folders_[part] = *there;
            if (end == std::string::npos) break;
        }
    }
    return {};
}

void MountStubs::decide(const std::string& upper, std::uint32_t uid_base) {
    std::vector<std::string> paths(missing_.begin(), missing_.end());
    for (const auto& [path, info] : folders_) paths.push_back(path);
    // Children come before their folders.
    std::sort(paths.begin(), paths.end(), [](const std::string& a, const std::string& b) {
        return std::count(a.begin(), a.end(), '/') > std::count(b.begin(), b.end(), '/');
    });
    for (const std::string& path : paths)
        if (is_stub(upper, path, uid_base)) left_out_.insert(path);
}

bool MountStubs::is_stub(const std::string& upper, const std::string& path,
                         std::uint32_t uid_base) const {
    const std::string place = upper + "/" + path;
    struct stat info {};
    if (::lstat(place.c_str(), &info) == -1) return false;
    if (missing_.contains(path))
        return S_ISDIR(info.st_mode) ? is_bare(upper, path)
                                     : S_ISREG(info.st_mode) && info.st_size == 0;
    return S_ISDIR(info.st_mode) && is_bare(upper, path) &&
           is_same(folders_.at(path), info, uid_base) && !is_opaque(place);
}

bool MountStubs::is_bare(const std::string& upper, const std::string& path) const {
    const auto names = list_directory(upper + "/" + path);
    return names && std::all_of(names->begin(), names->end(), [&](const std::string& name) {
               return left_out_.contains(path + "/" + name);
           });
}

}  // namespace davit::builder
