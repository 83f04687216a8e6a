#include "builder/git_source.h"

#include "base/file.h"
#include "base/strings.h"
#include "builder/program.h"
#include "image/credentials.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <map>

namespace davit::builder {
namespace {

constexpr const char* kGit = "/usr/bin/git";

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](std::string_view prefix) { return text.starts_with(prefix); });
}

/// "git@host:path": a name, a host and a path, and no scheme.
bool is_scp_like(std::string_view text) {
    const std::size_t at = text.find('@');
    if (at == 0 || at == std::string_view::npos || text.find("://") != std::string_view::npos)
        return false;
    const std::size_t colon = text.find(':', at);
    return colon != std::string_view::npos && text.find('/') > at;
}

bool is_commit(std::string_view ref) {
    constexpr std::size_t kSha1 = 40;
    constexpr std::size_t kSha256 = 64;
    return (ref.size() == kSha1 || ref.size() == kSha256) &&
           ref.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// What git could take for an option, a range or a refspec is no ref. @source CVE-2019-13139
bool is_plain_ref(std::string_view ref) {
    constexpr std::string_view kLetters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/@+#-";
    return !ref.starts_with('-') && ref.find("..") == std::string_view::npos &&
           ref.find_first_not_of(kLetters) == std::string_view::npos;
}

bool is_plain_remote(std::string_view remote) {
    const bool control = std::any_of(remote.begin(), remote.end(), [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || c == '\x7f' || c == '\\' || c == '\'';
    });
    return !control && !remote.starts_with('-') && remote.find("://-") == std::string_view::npos &&
           remote.find("@-") == std::string_view::npos &&
           remote.find("::") == std::string_view::npos;
}

void pass_on(const char* name, std::vector<std::string>& environment) {
    if (const char* value = std::getenv(name))  // NOLINT(concurrency-mt-unsafe): nobody sets any
        environment.push_back(fmt::format("{}={}", name, value));
}

/// Configuration by the environment: values stay out of the argument list, which everybody sees.
void add_settings(const GitOptions& options, const std::string& remote,
                  std::vector<std::string>& environment) {
    std::map<std::string, std::string> settings = {{"core.hooksPath", "/dev/null"},
                                                   {"core.fsmonitor", "false"},
                                                   {"advice.detachedHead", "false"},
                                                   {"init.defaultBranch", "main"},
                                                   {"gc.auto", "0"},
                                                   {"protocol.file.allow", "never"},
                                                   {"protocol.ext.allow", "never"}};
    // Only for the server that was named: a submodule may be anybody's.
    if (!options.token.empty() && remote.starts_with("https://")) {
        const std::string origin = remote.substr(0, remote.find('/', 8));
        settings[fmt::format("http.{}/.extraHeader", origin)] =
            "Authorization: basic " + image::base64("x-access-token:" + options.token);
    }
    int count = 0;
    for (const auto& [name, value] : settings) {
        environment.push_back(fmt::format("GIT_CONFIG_KEY_{}={}", count, name));
        environment.push_back(fmt::format("GIT_CONFIG_VALUE_{}={}", count++, value));
    }
    environment.push_back(fmt::format("GIT_CONFIG_COUNT={}", count));
}

std::vector<std::string> environment_of(const GitOptions& options, const std::string& remote) {
    std::vector<std::string> environment = {"PATH=/usr/local/bin:/usr/bin:/bin",
                                            "HOME=/nonexistent",
                                            "LC_ALL=C",
                                            "GIT_CONFIG_NOSYSTEM=1",
                                            "GIT_CONFIG_GLOBAL=/dev/null",
                                            "GIT_ATTR_NOSYSTEM=1",
                                            "GIT_TERMINAL_PROMPT=0",
                                            "GIT_LFS_SKIP_SMUDGE=1",
                                            "GIT_ALLOW_PROTOCOL=http:https:ssh:git",
                                            "GIT_PROTOCOL_FROM_USER=0",
                                            "GIT_SSH_COMMAND=/usr/bin/ssh -oBatchMode=yes"};
    if (!options.agent.empty()) environment.push_back("SSH_AUTH_SOCK=" + options.agent);
    for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                             "no_proxy", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"})
        pass_on(name, environment);
    add_settings(options, remote, environment);
    return environment;
}

class Git {
public:
    Git(const GitAddress& address, const GitOptions& options)
        : address_(address),
          options_(options),
          environment_(environment_of(options, address.remote)) {}

    Result<std::string> run(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), kGit);
        const ProgramOutcome outcome =
            TRY(run_program({std::move(arguments), environment_, options_.cancelled}));
        if (outcome.exit_code == 0) return outcome.out;
        // The first line says what is wrong; what follows are guesses at the user's set-up.
        const std::string said(trim(outcome.err));
        return Error(ErrorKind::System,
                     fmt::format("git says: {}", printable(said.substr(0, said.find('\n')))))
            .doing("fetch '{}'", printable(address_.remote))
            .help("see whether git clone can fetch it without a question");
    }

private:
    const GitAddress& address_;
    const GitOptions& options_;
    std::vector<std::string> environment_;
};

/// Of the lines of ls-remote the one that git itself would choose: a tag's commit before a branch.
std::string best_of(const std::string& lines, const std::string& ref) {
    const std::vector<std::string> order = {"refs/tags/" + ref + "^{}", "refs/tags/" + ref,
                                            "refs/heads/" + ref, ref};
    std::map<std::string, std::string> found;
    for (const std::string& line : split(lines, '\n')) {
        const std::size_t tab = line.find('\t');
        if (tab != std::string::npos) found[line.substr(tab + 1)] = line.substr(0, tab);
    }
    for (const std::string& name : order)
        if (const auto line = found.find(name); line != found.end() && is_commit(line->second))
            return line->second;
    return {};
}

}  // namespace

bool is_git_address(std::string_view text) {
    if (starts_with_any(text, {"git://", "ssh://", "github.com/"}) || is_scp_like(text))
        return true;
    if (!starts_with_any(text, {"http://", "https://"})) return false;
    return text.substr(0, text.find('#')).ends_with(".git");
}

Result<GitAddress> parse_git_address(std::string_view text) {
    GitAddress address;
    const std::size_t hash = text.find('#');
    address.remote = text.substr(0, hash);
    if (address.remote.starts_with("github.com/")) address.remote.insert(0, "https://");
    if (hash != std::string_view::npos) {
        const std::string_view fragment = text.substr(hash + 1);
        const std::size_t colon = fragment.find(':');
        address.ref = fragment.substr(0, colon);
        if (colon != std::string_view::npos) address.folder = fragment.substr(colon + 1);
    }
    if (!is_plain_remote(address.remote))
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' is no address of a repository", printable(address.remote)))
            .help("write it like https://HOST/NAME.git#REF:FOLDER");
    if (!is_plain_ref(address.ref))
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' is no branch, tag or commit", printable(address.ref)))
            .help("write what follows '#' like main, v1.2 or refs/pull/7/head");
    return address;
}

Result<std::string> resolve_commit(const GitAddress& address, const GitOptions& options) {
    if (is_commit(address.ref)) return address.ref;
    const std::string ref = address.ref.empty() ? "HEAD" : address.ref;
    const std::string lines =
        TRY(Git(address, options).run({"ls-remote", "--", address.remote, ref, ref + "^{}"}));
    std::string commit = best_of(lines, ref);
    if (!commit.empty()) return commit;
    return Error(ErrorKind::NotFound, fmt::format("'{}' has no branch or tag '{}'",
                                                  printable(address.remote), printable(ref)))
        .help("name a branch, a tag or a whole commit");
}

Result<void> check_out(const GitAddress& address, const std::string& commit,
                       const std::string& into, const GitOptions& options) {
    const Git git(address, options);
    TRY(git.run({"init", "--quiet", "--template=", "--", into}));
    const auto in_folder = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"-C", into});
        return git.run(std::move(arguments));
    };
    TRY(in_folder({"remote", "add", "--", "origin", address.remote}));
    const auto shallow =
        in_folder({"fetch", "--quiet", "--depth=1", "--no-tags", "--", "origin", commit});
    // Not every server gives out a commit by its name, nor a part of the history.
    if (!shallow) {
        if (shallow.error().kind() == ErrorKind::Cancelled) return shallow.error();
        TRY(in_folder(
            {"fetch", "--quiet", "--tags", "--", "origin", "+refs/heads/*:refs/remotes/origin/*"}));
    }
    TRY(in_folder({"checkout", "--quiet", "--force", "--detach", commit}));
    if (exists(into + "/.gitmodules"))
        TRY(in_folder({"submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"}));
    if (options.keep_git_dir) return {};
    return remove_tree(into + "/.git");
}

}  // namespace davit::builder
