#include "stack/ssh_agents.h"

#include "base/strings.h"

#include <fmt/format.h>
#include <sys/stat.h>

namespace davit::stack {
namespace {

Result<std::string> socket_at(const std::string& id, const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == -1)
        return Error(ErrorKind::NotFound, fmt::format("the SSH agent '{}' has no socket '{}'",
                                                      printable(id), printable(path)))
            .help("start one with ssh-agent, and name $SSH_AUTH_SOCK");
    if (S_ISSOCK(info.st_mode)) return path;
    return Error(ErrorKind::Unsupported, fmt::format("'{}' is no socket of an SSH agent", path))
        .help("add the key to an agent with ssh-add, and give that with --ssh default");
}

}  // namespace

Result<std::map<std::string, std::string>> parse_ssh(const std::vector<std::string>& words,
                                                     const std::string& own) {
    std::map<std::string, std::string> agents;
    for (const std::string& word : words) {
        const std::size_t equals = word.find('=');
        const std::string id = word.substr(0, equals);
        const std::string path = equals == std::string::npos ? own : word.substr(equals + 1);
        if (id.empty() || path.empty())
            return Error(ErrorKind::InvalidInput,
                         fmt::format("there is no SSH agent for '{}'", printable(word)))
                .help("start one with ssh-agent, so that SSH_AUTH_SOCK is set, or write ID=SOCKET");
        agents[id] = TRY(socket_at(id, path));
    }
    return agents;
}

}  // namespace davit::stack
