#include "network/netlink.h"

#include <cerrno>
#include <fmt/format.h>
#include <map>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <new>
#include <optional>

// Sockets and batches; the requests themselves are made in netlink_messages.cpp, the answers to
// dumps read in netlink_dump.cpp.

namespace davit::network {
namespace {

/// The kernel's answers to one batch, by sequence number.
struct Answers {
    std::map<unsigned, int> error_of;  ///< 0 or a positive errno.
};

int on_ack(nl_msg* message, void* arg) {
    static_cast<Answers*>(arg)->error_of[nlmsg_hdr(message)->nlmsg_seq] = 0;
    return NL_OK;
}

int on_error(sockaddr_nl*, nlmsgerr* answer, void* arg) {
    static_cast<Answers*>(arg)->error_of[answer->msg.nlmsg_seq] = -answer->error;
    return NL_SKIP;
}

}  // namespace

void NlSockFree::operator()(nl_sock* socket) const noexcept { nl_socket_free(socket); }
void NlMsgFree::operator()(nl_msg* message) const noexcept { nlmsg_free(message); }

Result<NlSock> open_route_socket() {
    NlSock socket(nl_socket_alloc());
    if (!socket) throw std::bad_alloc();
    if (const int code = nl_connect(socket.get(), NETLINK_ROUTE); code < 0) {
        return Error(ErrorKind::System, fmt::format("nl_connect: {}", nl_geterror(code)))
            .doing("open a netlink socket");
    }
    return socket;
}

Result<void> Batch::commit(nl_sock& socket) && {
    if (requests_.empty()) return {};

    std::string datagram;
    std::map<unsigned, const std::string*> what_of;
    for (Request& request : requests_) {
        nl_complete_msg(&socket, request.message.get());  // fills in port and sequence number
        const nlmsghdr* header = nlmsg_hdr(request.message.get());
        datagram.append(reinterpret_cast<const char*>(header), header->nlmsg_len);
        datagram.append(NLMSG_ALIGN(header->nlmsg_len) - header->nlmsg_len, '\0');
        what_of[header->nlmsg_seq] = &request.what;
    }
    if (const int code = nl_sendto(&socket, datagram.data(), datagram.size()); code < 0)
        return Error(ErrorKind::System, fmt::format("nl_sendto: {}", nl_geterror(code)));

    Answers answers;
    const std::unique_ptr<nl_cb, decltype(&nl_cb_put)> callbacks(nl_cb_alloc(NL_CB_DEFAULT),
                                                                 nl_cb_put);
    if (!callbacks) throw std::bad_alloc();
    nl_cb_set(callbacks.get(), NL_CB_ACK, NL_CB_CUSTOM, on_ack, &answers);
    nl_cb_set(
        callbacks.get(), NL_CB_SEQ_CHECK, NL_CB_CUSTOM, [](nl_msg*, void*) -> int { return NL_OK; },
        nullptr);
    nl_cb_err(callbacks.get(), NL_CB_CUSTOM, on_error, &answers);
    while (answers.error_of.size() < requests_.size()) {
        if (const int code = nl_recvmsgs(&socket, callbacks.get()); code < 0)
            return Error(ErrorKind::System, fmt::format("nl_recvmsgs: {}", nl_geterror(code)));
    }

    std::optional<Error> first;
    std::string others;
    for (const auto& [sequence, error_number] : answers.error_of) {
        if (error_number == 0) continue;
        Error error =
            Error::from_errno(error_number, "rtnetlink").doing("{}", *what_of.at(sequence));
        if (first) {
            others +=
                fmt::format("{}also failed: {}", others.empty() ? "" : "; ", error.to_string());
        } else {
            first = std::move(error);
        }
    }
    if (!first) return {};
    return std::move(*first).help(others);
}

}  // namespace davit::network
