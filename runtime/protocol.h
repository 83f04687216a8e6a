#pragma once

#include "base/json.h"
#include "base/result.h"
#include "base/unique_fd.h"

#include <chrono>
#include <string>

/// One JSON object a packet over a SOCK_SEQPACKET socket, between davit and a guard.
/// Requests: {"op":"start"}, {"op":"stop","signal":15,"timeout_ms":10000},
/// {"op":"kill","signal":9}, {"op":"pause"}, {"op":"unpause"}, {"op":"renew","program":PATH},
/// {"op":"attach","input":true, "all_output":false}, behind whose answer the streams follow
/// (attachments.h). Answers:
/// {"ok":true} or {"ok":false,"kind":…,"message":…,"help":…}.
namespace davit::runtime {

Result<void> send_packet(const UniqueFd& socket, const Json& packet);

/// The next packet. @errors NotFound where the other side is gone
Result<Json> receive_packet(const UniqueFd& socket);
/// Longer than any guard needs that works: one that is stopped itself must not hang its callers.
inline constexpr std::chrono::seconds kPatience(30);
/// As `receive_packet`, but waits so long at most. @errors TimedOut
Result<Json> receive_packet_within(const UniqueFd& socket, std::chrono::milliseconds limit);

Json ok_answer();
/// An Error as a packet, and back, so that it reads as if it had happened here.
Json error_answer(const Error& error);
Result<void> as_result(const Json& answer);

/// Connects to, or listens on, `folder`/control.sock. Goes through a descriptor of the folder,
/// since a socket's path may have 107 bytes only.
Result<UniqueFd> connect_control(const std::string& folder);
Result<UniqueFd> listen_control(const std::string& folder);

}  // namespace davit::runtime
