#pragma once

#include "base/result.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace davit::builder {

/// "https://host/repo.git#ref:folder". @source docker build, "Git repositories"
struct GitAddress {
    std::string remote = {};
    std::string ref = {};     ///< Branch, tag, "refs/…" or commit; empty: what HEAD names.
    std::string folder = {};  ///< Within the repository; empty: its root.
};

/// Whether `text` is meant as a repository: git@host:path, ssh://, git://, a path of http(s) that
/// ends with ".git", github.com/….
bool is_git_address(std::string_view text);

/// @errors InvalidInput for a ref or an address that git could take for something else
Result<GitAddress> parse_git_address(std::string_view text);

struct GitOptions {
    std::string agent = {};     ///< Socket of an SSH agent; may be empty.
    std::string token = {};     ///< For https, as the secret GIT_AUTH_TOKEN; may be empty.
    bool keep_git_dir = false;  ///< .git stays in the folder.
    std::function<bool()> cancelled = {};
};

/// The commit, 40 or 64 hex digits, that the address means now. Asks the server, unless the ref is
/// a whole commit itself. @errors NotFound, naming the ref
Result<std::string> resolve_commit(const GitAddress& address, const GitOptions& options);

/// Brings `commit` of the repository into the empty folder `into`, with its submodules.
///
/// git(1) gets a clean environment: no configuration of the host or the user, no hooks, no prompts,
/// and no protocols but http, https, ssh and git, also for submodules.
Result<void> check_out(const GitAddress& address, const std::string& commit,
                       const std::string& into, const GitOptions& options);

}  // namespace davit::builder
