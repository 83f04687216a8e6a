#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "stack/status.h"

#include <cstdint>
#include <string>
#include <sys/stat.h>

/// What copying into and out of containers stands on. Everything goes through descriptors: a path
/// is looked up once, beneath its root, and nothing that the container does meanwhile can lead the
/// copy elsewhere.
namespace davit::stack {

/// Makes files as another id would, with the rights of root. Through an idmapped mount nothing can
/// be made by an id that it doesn't map, so changing the owner afterwards would be too late.
class FileOwner {
public:
    explicit FileOwner(std::uint32_t id) : id_(id) { set(id_); }
    FileOwner(const FileOwner&) = delete;
    FileOwner& operator=(const FileOwner&) = delete;
    ~FileOwner() { set(0); }

private:
    void set(std::uint32_t id) const;

    std::uint32_t id_;
};

/// How the owner `id` in the container is called on the host, where its ids begin at `uid_base`.
/// One that is none of its ids is nobody's, instead of an id of the next container.
std::uint32_t id_on_host(std::uint32_t uid_base, std::uint32_t id);

/// The way back.
std::uint32_t id_inside(std::uint32_t uid_base, std::uint32_t id);

/// Something in a root that was looked up.
struct FileObject {
    UniqueFd fd = {};  ///< O_PATH
    struct stat info {};
};

Result<FileObject> look_up(const UniqueFd& root, const std::string& path, bool follow);

/// An O_PATH descriptor, opened for use.
Result<UniqueFd> reopen(const UniqueFd& fd, int flags);

/// The root of a running container, mounts and all. @errors Unsupported where it does not run
Result<UniqueFd> root_of(const ContainerView& view);

}  // namespace davit::stack
