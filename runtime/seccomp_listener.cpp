#include "runtime/seccomp_listener.h"

#include "base/sys.h"
#include "runtime/exec_terminal.h"
#include "runtime/oci_commands.h"

#include <cerrno>
#include <sys/syscall.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

/// Takes the descriptor `number` out of the process and gives it to the agent.
Result<void> hand_over(const ListenerHandover& handover, int number) {
    const Json& seccomp = *handover.spec->seccomp;
    const UniqueFd process = TRY(sys::pidfd_open(handover.pid));
    const UniqueFd listener(
        static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), number, 0U)));
    if (!listener) return Error::from_errno(errno, "pidfd_getfd(2)");
    const UniqueFd agent = TRY(connect_stream(string_or(seccomp, "listenerPath")));
    Json told = {{"ociVersion", handover.spec->version},
                 {"fds", {"seccompFd"}},
                 {"pid", handover.pid},
                 {"state", handover.state}};
    if (const std::string metadata = string_or(seccomp, "listenerMetadata"); !metadata.empty())
        told["metadata"] = metadata;
    if (!send_with_descriptor(agent.get(), told.dump(), listener.get()))
        return Error::from_errno(errno, "sendmsg(2)");
    return {};
}

}  // namespace

bool asks_listener(const Json& seccomp) {
    const auto rules = seccomp.find("syscalls");
    if (rules == seccomp.end() || !rules->is_array()) return false;
    for (const Json& rule : *rules) {
        if (string_or(rule, "action") == "SCMP_ACT_NOTIFY") return true;
    }
    return false;
}

Result<std::optional<ChildReport>> hear_until_executed(const UniqueFd& report,
                                                       const UniqueFd& start,
                                                       const ListenerHandover& handover) {
    for (;;) {
        ChildReport word;
        const ssize_t got =
            sys::retry_on_eintr([&] { return ::read(report.get(), &word, sizeof word); });
        if (got != sizeof word) return std::optional<ChildReport>();
        if (word.stage != ChildStage::Listener) return std::optional<ChildReport>(word);
        TRY_DOING(hand_over(handover, word.detail), "hand the seccomp listener over");
        if (::write(start.get(), "n", 1) != 1) return Error::from_errno(errno, "write(2)");
    }
}

}  // namespace davit::runtime
