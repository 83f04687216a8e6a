#include "runtime/own_program.h"

#include "base/file.h"
#include "base/sys.h"
#include "runtime/detached.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

constexpr const char* kSelf = "/proc/self/exe";

/// Ends of strings are zeros. @source proc_pid_cmdline(5)
std::vector<std::string> own_words(const std::string& command_line) {
    std::vector<std::string> words;
    for (std::size_t begin = 0; begin < command_line.size();) {
        const std::size_t end = std::min(command_line.find('\0', begin), command_line.size());
        words.push_back(command_line.substr(begin, end - begin));
        begin = end + 1;
    }
    return words;
}

}  // namespace

Result<UniqueFd> open_read_only(const std::string& path) {
    UniqueFd program = TRY(clone_mount(path, false));
    TRY(set_attributes(program, {.set = MOUNT_ATTR_RDONLY}));
    return program;
}

Result<void> execute_read_only(const std::vector<int>& kept) {
    struct statvfs mount {};
    if (::statvfs(kSelf, &mount) == -1) return sys::failed("statvfs(3)");
    if ((mount.f_flag & ST_RDONLY) != 0) return {};
    const UniqueFd program = TRY(open_read_only(kSelf));
    std::vector<std::string> words = own_words(TRY(read_file("/proc/self/cmdline")));
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    for (const int fd : kept) (void)::fcntl(fd, F_SETFD, 0);
    ::execveat(program.get(), "", argv.data(), environ, AT_EMPTY_PATH);
    return sys::failed("execveat(2)");
}

}  // namespace davit::runtime
