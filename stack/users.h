#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace davit::stack {

/// Who a container's program runs as.
struct ResolvedUser {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<std::uint32_t> groups = {};  ///< Supplementary, `gid` included.
    std::string home = "/";
};

/// "name", "uid", "name:group", "uid:gid", … against the texts of the image's /etc/passwd and
/// /etc/group; empty means root. Pure.
/// @errors NotFound for a name that is not in there; InvalidInput for a number out of range
/// @source OCI image-spec config.md "User"; Docker's resolution rules
Result<ResolvedUser> resolve_user(std::string_view user, std::string_view passwd,
                                  std::string_view group);

/// A group's name or number as a number. @errors NotFound, InvalidInput
Result<std::uint32_t> resolve_group(const std::string& name, std::string_view group);

/// `path` ("etc/passwd") as the image shows it: from the topmost of `layers` (top first) that has
/// it. Regular files of at most 1 MiB; anything else is as if it were not there.
std::string read_from_layers(const std::vector<std::string>& layers, const std::string& path);

}  // namespace davit::stack
