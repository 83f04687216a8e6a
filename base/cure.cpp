#include "base/cure.h"

#include <cerrno>

namespace davit {

std::string cure_of(const Error& error) {
    if (!error.help().empty()) return error.help();
    switch (error.error_number()) {
        case ENOSPC:
        case EDQUOT: return "free space on that file system: 'df -h' and 'df -i' show what is full";
        case EIO: return "look at what the kernel says about the disk: dmesg";
        case EROFS: return "make the file system writable, or choose another one: --data-root";
        case EMFILE:
        case ENFILE: return "raise the limit of open files: ulimit -n";
        case ENOMEM: return "free memory, or raise the limit of the group that davit runs in";
        default: return {};
    }
}

}  // namespace davit
