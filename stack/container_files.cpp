#include "stack/container_files.h"

#include "base/failpoint.h"
#include "base/json.h"
#include "stack/lower.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::stack {

Result<void> write_container_files(const std::string& run_dir, std::uint32_t uid_base,
                                   const ResolvedUser& user, const compose::Service& service) {
    if (service.inline_files.empty()) return {};
    TRY(make_directories(run_dir + "/files", 0711));
    for (std::size_t i = 0; i < service.inline_files.size(); ++i) {
        const compose::InlineFile& file = service.inline_files[i];
        const std::string path = inline_file(run_dir, i);
        FAILPOINT("container.files");
        TRY(write_in_place(path, file.content, 0600));
        const uid_t uid = uid_base + file.uid.value_or(user.uid);
        const gid_t gid = uid_base + file.gid.value_or(user.gid);
        if (::chown(path.c_str(), uid, gid) == -1 || ::chmod(path.c_str(), file.mode) == -1)
            return Error::from_errno(errno, "chown(2)").doing("write '{}'", path);
    }
    return {};
}

Result<ResolvedUser> user_of_bundle(const std::string& bundle) {
    const Json config = TRY(read_json(bundle + "/config.json"));
    return decode_json(config, bundle + "/config.json", [](const Json& json) {
        const Json& user = json.at("process").at("user");
        ResolvedUser resolved;
        resolved.uid = user.at("uid").get<std::uint32_t>();
        resolved.gid = user.at("gid").get<std::uint32_t>();
        return resolved;
    });
}

bool fills(const compose::Service& service, const MountRecord& mount) {
    const auto own = std::find_if(
        service.volumes.begin(), service.volumes.end(),
        [&](const compose::Mount& wanted) { return wanted.target == mount.destination; });
    // One of the image has no entry.
    return own == service.volumes.end() || (!own->no_copy && own->subpath.empty());
}

}  // namespace davit::stack
