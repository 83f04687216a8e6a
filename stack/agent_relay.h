#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <cstdint>
#include <memory>
#include <string>
#include <sys/types.h>
#include <thread>

namespace davit::stack {

/// A socket that passes what is said to it on to an SSH agent of the host, and the answers back.
/// The agent itself asks the kernel who talks to it, and would refuse somebody of another id range;
/// it talks to davit. The socket goes with this object, and with it every connection.
class AgentRelay {
public:
    struct Place {
        std::string agent = {};  ///< The agent's socket.
        std::string folder = {};
        std::string name = {};  ///< Of the new socket, in `folder`.
        uid_t uid = 0;
        gid_t gid = 0;
        mode_t mode = 0600;
    };
    /// @errors NotFound, PermissionDenied where nobody answers at the agent's socket
    static Result<std::unique_ptr<AgentRelay>> start(const Place& place);

    ~AgentRelay();
    AgentRelay(const AgentRelay&) = delete;
    AgentRelay& operator=(const AgentRelay&) = delete;

private:
    AgentRelay(UniqueFd listener, UniqueFd stop, std::string agent);
    void serve() const;

    UniqueFd listener_;
    UniqueFd stop_;  ///< An eventfd.
    std::string agent_;
    std::thread thread_;
};

}  // namespace davit::stack
