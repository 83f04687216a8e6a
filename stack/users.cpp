#include "stack/users.h"

#include "base/strings.h"
#include "base/sys.h"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::stack {
namespace {

constexpr long long kLargestId = 2147483647;
constexpr std::size_t kLargestFile = 1U << 20U;

/// The fields of each line that has at least `least` of them.
std::vector<std::vector<std::string>> table(std::string_view text, std::size_t least) {
    std::vector<std::vector<std::string>> rows;
    for (const std::string& line : split(text, '\n')) {
        std::vector<std::string> fields = split(line, ':');
        if (fields.size() >= least) rows.push_back(std::move(fields));
    }
    return rows;
}

bool all_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// A numeric id. One that overflows is an error and never looked up as a name: the number
/// 4294967296 must not become root by way of a hostile passwd file.
Result<std::uint32_t> parse_id(std::string_view text, std::string_view what) {
    const std::optional<long long> number = parse_integer(text);
    if (!number || *number > kLargestId)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("{} id '{}' is out of range 0..{}", what, text, kLargestId));
    return static_cast<std::uint32_t>(*number);
}

std::optional<std::uint32_t> id_field(const std::string& text) {
    const std::optional<long long> number = parse_integer(text);
    if (!number || *number < 0 || *number > kLargestId) return std::nullopt;
    return static_cast<std::uint32_t>(*number);
}

}  // namespace

Result<std::uint32_t> resolve_group(const std::string& name, std::string_view group) {
    if (all_digits(name)) return parse_id(name, "group");
    for (const std::vector<std::string>& row : table(group, 3)) {
        const std::optional<std::uint32_t> gid = id_field(row[2]);
        if (row[0] == name && gid) return *gid;
    }
    return Error(ErrorKind::NotFound, fmt::format("group '{}' is not in the image", name))
        .help("use a number, or add the group to the image's /etc/group");
}

Result<ResolvedUser> resolve_user(std::string_view user, std::string_view passwd,
                                  std::string_view group) {
    const std::size_t colon = user.find(':');
    const std::string name(user.empty() ? "0" : user.substr(0, colon));
    const std::string group_name(colon == std::string_view::npos ? "" : user.substr(colon + 1));
    ResolvedUser resolved;
    const bool numeric = all_digits(name);
    if (numeric) resolved.uid = TRY(parse_id(name, "user"));

    std::string login;
    for (const std::vector<std::string>& row : table(passwd, 6)) {
        const std::optional<std::uint32_t> uid = id_field(row[2]);
        const std::optional<std::uint32_t> gid = id_field(row[3]);
        if (!uid || !gid || (numeric ? *uid != resolved.uid : row[0] != name)) continue;
        login = row[0];
        resolved.uid = *uid;
        resolved.gid = *gid;
        if (!row[5].empty()) resolved.home = row[5];
        break;
    }
    if (!numeric && login.empty())
        return Error(ErrorKind::NotFound, fmt::format("user '{}' is not in the image", name))
            .help("use a number, or add the user to the image's /etc/passwd");
    if (!group_name.empty()) {
        // With a group of its own choice the user gets that one and no others.
        resolved.gid = TRY(resolve_group(group_name, group));
        resolved.groups = {resolved.gid};
        return resolved;
    }
    resolved.groups = {resolved.gid};
    for (const std::vector<std::string>& row : table(group, 4)) {
        const std::vector<std::string> members = split(row[3], ',');
        const std::optional<std::uint32_t> gid = id_field(row[2]);
        const bool member =
            !login.empty() && std::find(members.begin(), members.end(), login) != members.end();
        if (member && gid &&
            std::find(resolved.groups.begin(), resolved.groups.end(), *gid) ==
                resolved.groups.end())
            resolved.groups.push_back(*gid);
    }
    return resolved;
}

std::string read_from_layers(const std::vector<std::string>& layers, const std::string& path) {
    for (const std::string& layer : layers) {
        const Result<UniqueFd> root = sys::open(layer, O_PATH | O_DIRECTORY);
        if (!root) continue;
        // Non-blocking: a FIFO at this place must not hold us up.
        const Result<UniqueFd> file =
            sys::open_in_root(*root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (!file) {
            struct stat info {};
            // A whiteout (a 0:0 device) hides what lower layers have.
            if (::fstatat(root->get(), path.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISCHR(info.st_mode))
                return {};
            continue;
        }
        struct stat info {};
        if (::fstat(file->get(), &info) == -1 || !S_ISREG(info.st_mode)) return {};
        std::string text(kLargestFile, '\0');
        const ssize_t got =
            sys::retry_on_eintr([&] { return ::read(file->get(), text.data(), text.size()); });
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }
    return {};
}

}  // namespace davit::stack
