#include "builder/merged_root.h"

#include "base/file.h"
#include "base/sys.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <thread>

namespace davit::builder {
namespace {

struct MergeCall {
    const std::vector<std::string>& layers;
    const std::string& scratch;
    bool writable;
};

/// Runs in a thread of its own, whose mount namespace ends with it: the mount lives on in the
/// descriptor alone.
Result<UniqueFd> mount_aside(const MergeCall& call) {
    if (::unshare(CLONE_NEWNS) == -1) return Error::from_errno(errno, "unshare(2)");
    TRY(sys::mount({.target = "/", .flags = MS_REC | MS_PRIVATE}));
    // A layer's path is long, and mount(2) takes one page: descriptors have short names. They must
    // be of this namespace, so they are opened here.
    std::vector<UniqueFd> open_layers;
    std::string lower;
    const auto add = [&](const std::string& folder) -> Result<void> {
        UniqueFd layer = TRY(sys::open(folder, O_PATH | O_DIRECTORY));
        lower += fmt::format("{}/proc/thread-self/fd/{}", lower.empty() ? "" : ":", layer.get());
        open_layers.push_back(std::move(layer));
        return {};
    };
    for (const std::string& folder : call.layers) TRY(add(folder));
    // Overlayfs wants two lower folders where there is no upper one, and one where there is.
    if (!call.writable || call.layers.empty()) TRY(add(call.scratch + "/empty"));
    sys::MountCall mount{
        .source = "overlay",
        .target = call.scratch + "/merged",
        .type = "overlay",
        .flags = MS_NODEV | MS_NOSUID,
        // Layers come from strangers: nothing in them may redirect a lookup.
        .data = "lowerdir=" + lower + ",redirect_dir=nofollow,metacopy=off,index=off"};
    if (call.writable) {
        mount.data += fmt::format(",upperdir={0}/upper,workdir={0}/work", call.scratch);
    } else {
        mount.flags |= MS_RDONLY;
    }
    TRY(sys::mount(mount));
    return sys::open(mount.target, O_RDONLY | O_DIRECTORY);
}

}  // namespace

Result<MergedRoot> MergedRoot::open(const std::vector<std::string>& layers,
                                    const std::string& scratch, bool writable) {
    for (const char* name : {"/upper", "/work", "/empty", "/merged"})
        TRY(make_directories(scratch + name, 0755));
    if (!writable && layers.empty()) {
        UniqueFd empty = TRY(sys::open(scratch + "/empty", O_RDONLY | O_DIRECTORY));
        return MergedRoot(std::move(empty), scratch + "/upper");
    }
    std::optional<Result<UniqueFd>> mounted;
    std::thread([&] { mounted = mount_aside({layers, scratch, writable}); }).join();
    UniqueFd root = TRY_DOING(*std::move(mounted), "put {} layers together", layers.size());
    return MergedRoot(std::move(root), scratch + "/upper");
}

}  // namespace davit::builder
