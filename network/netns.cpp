#include "network/netns.h"

#include "base/assert.h"
#include "base/sys.h"

#include <cerrno>
#include <fcntl.h>
#include <sched.h>

namespace davit::network {

Result<NetnsScope> NetnsScope::enter(const UniqueFd& netns) {
    UniqueFd home = TRY(sys::open("/proc/thread-self/ns/net", O_RDONLY));
    if (::setns(netns.get(), CLONE_NEWNET) == -1)
        return Error::from_errno(errno, "setns(2)").doing("enter a network namespace");
    return NetnsScope(std::move(home));
}

NetnsScope::~NetnsScope() {
    if (home_) DAVIT_ASSERT(::setns(home_.get(), CLONE_NEWNET) == 0);
}

}  // namespace davit::network
