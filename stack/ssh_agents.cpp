#include "stack/ssh_agents.h"

#include "base/file.h"
#include "base/random.h"
#include "base/scope_guard.h"
#include "base/strings.h"

#include <boost/process.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::stack {

namespace {

/// The agent starts it, and ends with it: when its input ends, because the build has ended or davit
/// was killed. Nobody is asked for a passphrase: there is no terminal.
constexpr const char* kHold = R"(
folder=$1; shift
SSH_ASKPASS_REQUIRE=never setsid -w ssh-add -q -- "$@" < /dev/null && echo ready && cat
kill "$SSH_AGENT_PID"
rm -rf -- "$folder"
)";

Error cant_take(const std::string& said) {
    Error error(ErrorKind::InvalidInput,
                fmt::format("ssh-agent can't take the key: {}",
                            printable(std::string_view(said).substr(0, 300))));
    if (said.find("passphrase") != std::string::npos)
        return std::move(error).help(
            "the key has a passphrase: add it to an agent with ssh-add, and give that with --ssh "
            "default");
    return std::move(error).help(
        "ssh-agent and ssh-add are in the package openssh-client; or name the socket of an agent "
        "that has the key");
}

}  // namespace

/// An ssh-agent(1) of this process.
class KeyAgent {
public:
    static Result<std::shared_ptr<const KeyAgent>> start(const std::string& run_root,
                                                         const std::vector<std::string>& keys) {
        // Short, as paths of sockets have to be, and out of the data root's way. @source unix(7)
        const std::string folder = fmt::format("{}/.ssh-{}", run_root, random_hex(6));
        TRY(make_directories(run_root, 0711));
        TRY(make_directories(folder, 0700));
        ScopeGuard undo([&] { (void)remove_tree(folder); });
        try {
            auto agent = std::make_shared<KeyAgent>(run_root, folder);
            TRY(agent->run(keys));
            undo.commit();  // the agent's own business from now on
            return std::shared_ptr<const KeyAgent>(std::move(agent));
        } catch (const std::exception& problem) {
            return Error(ErrorKind::System, fmt::format("run ssh-agent: {}", problem.what()));
        }
    }

    KeyAgent(std::string run_root, std::string folder)
        : run_root_(std::move(run_root)), folder_(std::move(folder)) {}
    KeyAgent(const KeyAgent&) = delete;
    KeyAgent& operator=(const KeyAgent&) = delete;
    ~KeyAgent() {
        boost::system::error_code ignored;
        hold_.pipe().close();
        if (child_.valid()) child_.wait(ignored);
        ::rmdir(run_root_.c_str());  // where nothing else is in it
    }

    std::string socket() const { return folder_ + "/agent"; }

private:
    Result<void> run(const std::vector<std::string>& keys) {
        namespace bp = boost::process;
        std::vector<std::string> words = {"ssh-agent", "-a",  socket(), "sh",
                                          "-c",        kHold, "davit",  folder_};
        words.insert(words.end(), keys.begin(), keys.end());
        bp::ipstream said;
        bp::ipstream complaints;
        child_ = bp::child("/usr/bin/env", words, bp::std_in<hold_, bp::std_out> said,
                           bp::std_err > complaints);
        // Boost makes its pipes without O_CLOEXEC: no RUN is to hold this one open.
        ::fcntl(hold_.pipe().native_sink(), F_SETFD, FD_CLOEXEC);
        std::string line;
        if (std::getline(said, line) && line == "ready") return {};
        std::string text;
        while (std::getline(complaints, line)) text += (text.empty() ? "" : "; ") + line;
        return cant_take(text.empty() ? "it has ended" : text);
    }

    std::string run_root_;
    std::string folder_;
    boost::process::opstream hold_;
    boost::process::child child_;
};

namespace {

/// "ID=SOCKET" or "ID=KEY,KEY".
Result<void> add_paths(const std::string& id, const std::vector<std::string>& paths,
                       const SshPlace& place, SshAgents& agents) {
    std::vector<std::string> keys;
    for (const std::string& text : paths) {
        const std::string path = join_path(place.folder, text);
        struct stat info {};
        if (::stat(path.c_str(), &info) == -1)
            return Error(ErrorKind::NotFound, fmt::format("the SSH agent '{}' has no socket or key "
                                                          "'{}'",
                                                          printable(id), printable(text)))
                .help("start one with ssh-agent, and name $SSH_AUTH_SOCK, or name a private key");
        if (S_ISSOCK(info.st_mode) && paths.size() == 1) {
            agents.sockets[id] = path;
            return {};
        }
        if (!S_ISREG(info.st_mode))
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' is neither one socket of an SSH agent nor a private key",
                                     printable(text)))
                .help("write ID=SOCKET, or ID=KEY,KEY");
        keys.push_back(path);
    }
    std::shared_ptr<const KeyAgent> agent =
        TRY_DOING(KeyAgent::start(place.run_root, keys), "start the SSH agent '{}'", printable(id));
    agents.sockets[id] = agent->socket();
    agents.own.push_back(std::move(agent));
    return {};
}

}  // namespace

Result<SshAgents> open_ssh_agents(const std::vector<std::string>& words, const SshPlace& place) {
    SshAgents agents;
    for (const std::string& word : words) {
        const std::size_t equals = word.find('=');
        const std::string id = word.substr(0, equals);
        const std::string value =
            equals == std::string::npos ? place.socket : word.substr(equals + 1);
        if (id.empty() || value.empty())
            return Error(ErrorKind::InvalidInput,
                         fmt::format("there is no SSH agent for '{}'", printable(word)))
                .help(
                    "start one with ssh-agent, so that SSH_AUTH_SOCK is set, or write ID=SOCKET "
                    "or ID=KEY");
        const bool given = equals != std::string::npos;
        TRY(add_paths(id, given ? split(value, ',') : std::vector{value}, place, agents));
    }
    return agents;
}

}  // namespace davit::stack
