#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace davit::builder {

/// Files and folders that a container's mounts need to be there, and that a layer made of its
/// changes must not bring: /etc/hosts, /proc, targets of bind mounts.
class MountStubs {
public:
    /// Looks which of `targets` (absolute paths; the standard ones are added) the image in `lower`
    /// doesn't have.
    Result<void> look(const UniqueFd& lower, std::vector<std::string> targets);

    /// Decides which of these were left empty in `upper`, whose owners begin with `uid_base`.
    void decide(const std::string& upper, std::uint32_t uid_base);

    /// Whether a path of the upper folder ("etc/hosts") is such a stub.
    bool contains(const std::string& path) const { return left_out_.contains(path); }

private:
    bool is_bare(const std::string& upper, const std::string& path) const;
    bool is_stub(const std::string& upper, const std::string& path, std::uint32_t uid_base) const;

    std::set<std::string> missing_;
    std::map<std::string, struct stat> folders_;
    std::set<std::string> left_out_;
};

}  // namespace davit::builder
