#include "stack/copy_root.h"

#include "base/sys.h"
#include "stack/records.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace davit::stack {
namespace {

constexpr std::uint32_t kNobody = 65534;

Error copy_failed(const char* call, const std::string& name) {
    const int error_number = errno;
    return Error::from_errno(error_number, call).doing("copy '{}'", name);
}

}  // namespace

void FileOwner::set(std::uint32_t id) const {
    if (id_ == 0) return;
    ::setfsgid(id);
    ::setfsuid(id);
    // Leaving id 0 takes the capabilities about files out of the effective set.
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> sets{};
    if (::syscall(SYS_capget, &header, sets.data()) == -1) return;
    for (__user_cap_data_struct& set : sets) set.effective = set.permitted;
    (void)::syscall(SYS_capset, &header, sets.data());
}

std::uint32_t id_on_host(std::uint32_t uid_base, std::uint32_t id) {
    if (uid_base == 0) return id;  // it shares the host's ids, all of them
    return uid_base + (id < kIdsPerContainer ? id : kNobody);
}

std::uint32_t id_inside(std::uint32_t uid_base, std::uint32_t id) {
    if (uid_base == 0) return id;
    return id >= uid_base && id - uid_base < kIdsPerContainer ? id - uid_base : kNobody;
}

Result<FileObject> look_up(const UniqueFd& root, const std::string& path, bool follow) {
    FileObject object;
    object.fd = TRY(sys::open_in_root(root, path, O_PATH | (follow ? 0 : O_NOFOLLOW)));
    if (::fstat(object.fd.get(), &object.info) == -1) return copy_failed("fstat(2)", path);
    return object;
}

Result<UniqueFd> reopen(const UniqueFd& fd, int flags) {
    return sys::open(fmt::format("/proc/self/fd/{}", fd.get()), flags);
}

Result<UniqueFd> root_of(const ContainerView& view) {
    if (view.state.pid == 0)
        return Error(ErrorKind::Unsupported,
                     fmt::format("container '{}' does not run, and only then its files are put "
                                 "together",
                                 view.record.name))
            .help(fmt::format("start it first: davit start {}", view.record.name));
    const UniqueFd process = TRY(sys::open_process(view.state.pid, view.state.start_ticks));
    UniqueFd root =
        TRY(sys::open(fmt::format("/proc/{}/root", view.state.pid), O_PATH | O_DIRECTORY));
    // Only now: had it ended meanwhile, this might be the root of whoever has its number.
    if (TRY(sys::wait_for_exit(process, 0)))
        return Error(ErrorKind::NotFound,
                     fmt::format("container '{}' has just ended", view.record.name));
    return root;
}

}  // namespace davit::stack
