#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "builder/archive_add.h"
#include "builder/stage_builder.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <utility>

// What ADD takes from elsewhere: files behind http and https, and repositories.
namespace davit::builder {
namespace {

Result<void> set_mtime(const std::string& path, std::int64_t seconds) {
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    if (::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == -1)
        return Error::from_errno(errno, "utimensat(2)");
    return {};
}

}  // namespace

/// Returns whether `place` is an address.
Result<bool> StageBuilder::choose_remote(const Instruction& instruction, const std::string& place,
                                         Chosen& chosen) {
    std::string checksum = instruction.flag("checksum").value_or("");
    checksum = TRY(expand_word(checksum, state_.expansion(instruction)));
    if (is_git_address(place)) {
        Repository repository;
        repository.address = TRY(parse_git_address(place));
        repository.commit = TRY(resolve_commit(repository.address, shared_.git_options()));
        if (!checksum.empty() && !repository.commit.starts_with(checksum))
            return Error(ErrorKind::InvalidInput,
                         fmt::format("the commit is {}, and --checksum is '{}'", repository.commit,
                                     printable(checksum)))
                .help("see what changed there before you trust it");
        chosen.repository = std::move(repository);
        return true;
    }
    if (!is_url(place)) {
        if (checksum.empty()) return false;
        return Error(ErrorKind::InvalidInput, "--checksum is for addresses alone")
            .help("take it away: a file of the context is what it is");
    }
    const std::string folder = TRY(shared_.new_folder());
    const RemoteOptions options{.data_root = shared_.cache.data_root(),
                                .folder = folder,
                                .fresh = shared_.request->no_cache,
                                .cancelled = [this] { return shared_.cancelled(); }};
    chosen.remote = TRY(look_at_url(place, checksum, options));
    // An archive from elsewhere stays one, unless it is said otherwise.
    chosen.archive = instruction.switched_on("unpack");
    return true;
}

Result<void> StageBuilder::write_remote(const CopyPlan& plan, const Chosen& chosen,
                                        const UniqueFd& root, const std::string& path) {
    RemoteFile file = *chosen.remote;
    const std::string folder = TRY(shared_.new_folder());
    TRY(bring_file(file, {.data_root = shared_.cache.data_root(),
                          .folder = folder,
                          .fresh = true,
                          .cancelled = [this] { return shared_.cancelled(); }}));
    if (chosen.archive) {
        TRY(make_folders(root, path, {}));
        UniqueFd archive = TRY(sys::open(file.path, O_RDONLY));
        return unpack_archive(std::move(archive), root, path);
    }
    constexpr mode_t kMode = 0600;
    TRY(set_mtime(file.path, file.mtime));
    const std::size_t slash = file.path.rfind('/');
    const UniqueFd from = TRY(sys::open(file.path.substr(0, slash), O_RDONLY | O_DIRECTORY));
    TreeItem item;
    item.source = file.path.substr(slash + 1);
    if (::lstat(file.path.c_str(), &item.info) == -1) return Error::from_errno(errno, "lstat(2)");
    CopyAttributes attributes = plan.attributes;
    attributes.mode = attributes.mode.value_or(kMode);
    return copy_items({&from, nullptr, false}, {item}, root, path, attributes);
}

Result<void> StageBuilder::write_repository(const CopyPlan& plan, const Repository& repository,
                                            const UniqueFd& root, const std::string& target) {
    std::string folder = TRY(shared_.new_folder());
    folder += "/tree";
    GitOptions options = shared_.git_options();
    options.keep_git_dir = plan.keep_git_dir;
    TRY(check_out(repository.address, repository.commit, folder, options));
    const UniqueFd from = TRY(sys::open(folder, O_RDONLY | O_DIRECTORY));
    const TreeSource source{&from, nullptr, false};
    const std::vector<Selection> selections =
        TRY(select_items(source, repository.address.folder, {.literal = true}));
    if (!selections.front().folder)
        return Error(ErrorKind::InvalidInput, fmt::format("'{}' is a file of the repository",
                                                          printable(repository.address.folder)))
            .help("name a folder after the ':'");
    TRY(make_folders(root, target, plan.attributes.owner.value_or(Owner{})));
    return copy_items(source, selections.front().items, root, target, plan.attributes);
}

}  // namespace davit::builder
