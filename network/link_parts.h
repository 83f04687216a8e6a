#pragma once

#include "network/netlink.h"

#include <string>

/// What links.cpp and attach.cpp share.
namespace davit::network {

/// libnl and the kernel cut longer names without a word. @errors InvalidInput
Result<void> check_link_name(const std::string& name);

/// Sends one removal. What is gone already is fine.
Result<void> send_removal(nl_sock& socket, NlMsg request, std::string what);
Result<void> remove_link_by_name(nl_sock& socket, const std::string& name);

}  // namespace davit::network
