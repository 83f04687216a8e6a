#include "stack/volume_content.h"

#include "base/failpoint.h"
#include "base/file.h"
#include "base/json.h"
#include "base/scope_guard.h"
#include "base/sys.h"
#include "builder/merged_root.h"
#include "builder/tree.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::stack {
namespace {

Error failed(const char* call, const std::string& path) {
    const int error_number = errno;
    return Error::from_errno(error_number, call).doing("fill volume '{}'", path);
}

std::string marker_of(const std::string& folder) { return folder + "/filling.json"; }

/// A path without a meaning to the chooser of files: its wildcards are letters.
std::string literal(const std::string& path) {
    std::string text;
    for (const char c : path) {
        if (c == '*' || c == '?' || c == '[' || c == '\\') text += '\\';
        text += c;
    }
    return text;
}

/// Copies the contents of `path`, and its owner and mode. `to` is there and may have a part of it.
/// Returns whether there was anything.
Result<bool> copy_from(const builder::MergedRoot& merged, const std::string& path,
                       const std::string& to) {
    const auto found = TRY(builder::look_at(merged.root(), path));
    if (!found || !S_ISDIR(found->st_mode)) return false;
    const builder::TreeSource source{.root = &merged.root(), .keep_owners = true};
    const auto selections = TRY(builder::select_items(source, literal(path), {}));
    const UniqueFd target = TRY(sys::open(to, O_RDONLY | O_DIRECTORY));
    bool any = false;
    for (const builder::Selection& selection : selections) {
        TRY(builder::copy_items(source, selection.items, target, "", {}));
        any = any || selection.items.size() > 1;
    }
    if (::fchown(target.get(), found->st_uid, found->st_gid) == -1) return failed("chown(2)", to);
    if (::fchmod(target.get(), found->st_mode & 07777U) == -1) return failed("chmod(2)", to);
    // A volume that has its name, and half of its data after a power cut, would be taken for whole.
    if (any && ::syncfs(target.get()) == -1) return failed("syncfs(2)", to);
    return any;
}

Result<void> fill_in_place(const FillCall& call, const VolumeContent& content,
                           const builder::MergedRoot& merged) {
    TRY(write_json(marker_of(call.folder), {{"layers", content.layers}, {"path", content.path}},
                   Sync::Yes));
    FAILPOINT("volume.fill-in-place");
    TRY(copy_from(merged, content.path, call.data));
    if (::unlink(marker_of(call.folder).c_str()) == -1) return failed("unlink(2)", call.folder);
    return {};
}

Result<void> fill_aside(const FillCall& call, const VolumeContent& content,
                        const builder::MergedRoot& merged) {
    const std::string fresh = call.folder + "/_new";
    TRY(remove_tree(fresh));
    TRY(make_directories(fresh, 0755));
    FAILPOINT("volume.fill");
    TRY(copy_from(merged, content.path, fresh));
    FAILPOINT("volume.filled");
    if (::rename(fresh.c_str(), call.data.c_str()) == -1) return failed("rename(2)", call.data);
    return {};
}

Result<VolumeContent> begun_content(const std::string& folder) {
    const Json marker = TRY(read_json(marker_of(folder)));
    VolumeContent content;
    if (marker.is_object()) {
        content.layers = marker.value("layers", std::vector<std::string>());
        content.path = marker.value("path", std::string());
    }
    const bool there = std::all_of(content.layers.begin(), content.layers.end(),
                                   [](const std::string& layer) { return exists(layer); });
    if (!there || content.path.empty())
        return Error(
                   ErrorKind::NotFound,
                   fmt::format("volume '{}' was being filled when davit was killed, and the image "
                               "that it was filled from is gone",
                               folder.substr(folder.rfind('/') + 1)))
            .help("remove it with 'davit volume rm', or pull that image again");
    return content;
}

}  // namespace

bool is_half_filled(const std::string& folder) { return exists(marker_of(folder)); }

Result<void> fill_volume(const FillCall& call, const std::optional<VolumeContent>& content) {
    const bool begun = is_half_filled(call.folder);
    if (!begun && (!content || !TRY(list_directory(call.data)).empty())) return {};
    const VolumeContent wanted = begun ? TRY(begun_content(call.folder)) : *content;
    const ScopeGuard tidy([&] { (void)remove_tree(call.scratch); });
    const builder::MergedRoot merged =
        TRY(builder::MergedRoot::open(wanted.layers, call.scratch, false));
    const auto found = TRY(builder::look_at(merged.root(), wanted.path));
    if (!begun && (!found || !S_ISDIR(found->st_mode))) return {};
    if (begun || call.in_place) return fill_in_place(call, wanted, merged);
    return fill_aside(call, wanted, merged);
}

}  // namespace davit::stack
