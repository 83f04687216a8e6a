#include "network/netlink.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <functional>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <new>

namespace davit::network {
namespace {

using OnMessage = std::function<void(const nlmsghdr*)>;

struct Reading {
    const OnMessage* on_message = nullptr;
    bool done = false;
    bool torn = false;  ///< Something changed between two parts of a dump.
    int error_number = 0;
};

/// Sends `request` and hands every answer to `on_message`, until the kernel says done. Returns
/// whether the answers are of one moment.
Result<bool> ask(nl_sock& socket, const NlMsg& request, const OnMessage& on_message) {
    if (const int code = nl_send_auto(&socket, request.get()); code < 0)
        return Error(ErrorKind::System, fmt::format("nl_send: {}", nl_geterror(code)));
    Reading reading;
    reading.on_message = &on_message;
    const std::unique_ptr<nl_cb, decltype(&nl_cb_put)> callbacks(nl_cb_alloc(NL_CB_DEFAULT),
                                                                 nl_cb_put);
    if (!callbacks) throw std::bad_alloc();
    nl_cb_set(
        callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM,
        [](nl_msg* message, void* arg) -> int {
            (*static_cast<Reading*>(arg)->on_message)(nlmsg_hdr(message));
            return NL_OK;
        },
        &reading);
    const auto finish = [](nl_msg*, void* arg) -> int {
        static_cast<Reading*>(arg)->done = true;
        return NL_STOP;
    };
    nl_cb_set(callbacks.get(), NL_CB_FINISH, NL_CB_CUSTOM, finish, &reading);
    nl_cb_set(callbacks.get(), NL_CB_ACK, NL_CB_CUSTOM, finish, &reading);
    // With a callback of our own libnl reads on: the rest must not be met by the next request.
    nl_cb_set(
        callbacks.get(), NL_CB_DUMP_INTR, NL_CB_CUSTOM,
        [](nl_msg*, void* arg) -> int {
            static_cast<Reading*>(arg)->torn = true;
            return NL_OK;
        },
        &reading);
    nl_cb_err(
        callbacks.get(), NL_CB_CUSTOM,
        [](sockaddr_nl*, nlmsgerr* answer, void* arg) -> int {
            static_cast<Reading*>(arg)->error_number = -answer->error;
            static_cast<Reading*>(arg)->done = true;
            return NL_STOP;
        },
        &reading);
    while (!reading.done) {
        if (const int code = nl_recvmsgs(&socket, callbacks.get()); code < 0)
            return Error(ErrorKind::System, fmt::format("nl_recvmsgs: {}", nl_geterror(code)));
    }
    if (reading.error_number != 0) return Error::from_errno(reading.error_number, "rtnetlink");
    return !reading.torn;
}

template <typename Header>
NlMsg dump_request(int type) {
    NlMsg message(nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_DUMP));
    if (!message) throw std::bad_alloc();
    Header header{};
    if (nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO) < 0)
        throw std::bad_alloc();
    return message;
}

/// All that `read` makes of the answers to a dump. The kernel cuts a long dump into parts, and says
/// so where something changed in between: other containers come and go, so that is nothing unusual.
/// A slow machine may never see a moment of rest: then all that was seen counts, since what stood
/// the whole time was missed at most now and then.
template <typename Header, typename Facts>
Result<std::vector<Facts>> dump(nl_sock& socket, int type,
                                bool (*read)(const nlmsghdr* header, Facts& facts)) {
    constexpr int kTries = 20;
    std::vector<Facts> seen;
    for (int i = 0; i < kTries; ++i) {
        std::vector<Facts> all;
        const bool whole = TRY(ask(socket, dump_request<Header>(type), [&](const nlmsghdr* header) {
            Facts facts;
            if (read(header, facts)) all.push_back(std::move(facts));
        }));
        if (whole) return all;
        for (Facts& facts : all)
            if (std::find(seen.begin(), seen.end(), facts) == seen.end())
                seen.push_back(std::move(facts));
    }
    return seen;
}

Ip ip_of(const nlattr* attribute) {
    return Ip::from_bytes(nla_data(attribute), nla_len(attribute) == 16 ? 16 : 4);
}

bool is_ip(int family) { return family == AF_INET || family == AF_INET6; }

/// The state of a bridge port, which stands two levels down.
int port_state_of(nlattr* link_info) {
    nlattr* const slave_data = nla_find(static_cast<nlattr*>(nla_data(link_info)),
                                        nla_len(link_info), IFLA_INFO_SLAVE_DATA);
    if (slave_data == nullptr) return -1;
    nlattr* const state = nla_find(static_cast<nlattr*>(nla_data(slave_data)), nla_len(slave_data),
                                   IFLA_BRPORT_STATE);
    return state == nullptr ? -1 : nla_get_u8(state);
}

std::string kind_of(nlattr* link_info) {
    nlattr* const kind =
        nla_find(static_cast<nlattr*>(nla_data(link_info)), nla_len(link_info), IFLA_INFO_KIND);
    return kind == nullptr ? std::string() : nla_get_string(kind);
}

LinkFacts link_of(const nlmsghdr* header) {
    LinkFacts facts;
    facts.index = static_cast<const ifinfomsg*>(nlmsg_data(header))->ifi_index;
    nlattr* attributes[IFLA_MAX + 1] = {};
    if (nlmsg_parse(const_cast<nlmsghdr*>(header), sizeof(ifinfomsg), attributes, IFLA_MAX,
                    nullptr) < 0)
        return facts;
    if (attributes[IFLA_IFNAME] != nullptr) facts.name = nla_get_string(attributes[IFLA_IFNAME]);
    if (attributes[IFLA_IFALIAS] != nullptr) facts.alias = nla_get_string(attributes[IFLA_IFALIAS]);
    if (attributes[IFLA_MTU] != nullptr)
        facts.mtu = static_cast<int>(nla_get_u32(attributes[IFLA_MTU]));
    if (attributes[IFLA_OPERSTATE] != nullptr)
        facts.operational = nla_get_u8(attributes[IFLA_OPERSTATE]) == IF_OPER_UP;
    if (attributes[IFLA_LINKINFO] != nullptr) {
        facts.kind = kind_of(attributes[IFLA_LINKINFO]);
        facts.port_state = port_state_of(attributes[IFLA_LINKINFO]);
    }
    return facts;
}

bool read_route(const nlmsghdr* header, RouteFacts& route) {
    const auto* info = static_cast<const rtmsg*>(nlmsg_data(header));
    nlattr* attributes[RTA_MAX + 1] = {};
    if (!is_ip(info->rtm_family) ||
        nlmsg_parse(const_cast<nlmsghdr*>(header), sizeof(rtmsg), attributes, RTA_MAX, nullptr) < 0)
        return false;
    route.destination.prefix = info->rtm_dst_len;
    route.destination.address.v6 = info->rtm_family == AF_INET6;
    if (attributes[RTA_DST] != nullptr) route.destination.address = ip_of(attributes[RTA_DST]);
    if (attributes[RTA_OIF] != nullptr)
        route.link = static_cast<int>(nla_get_u32(attributes[RTA_OIF]));
    return true;
}

bool read_address(const nlmsghdr* header, AddressFacts& facts) {
    const auto* info = static_cast<const ifaddrmsg*>(nlmsg_data(header));
    nlattr* attributes[IFA_MAX + 1] = {};
    if (!is_ip(info->ifa_family) || nlmsg_parse(const_cast<nlmsghdr*>(header), sizeof(ifaddrmsg),
                                                attributes, IFA_MAX, nullptr) < 0)
        return false;
    // IPv6 has no other end of a line, and says its own address there.
    const nlattr* const own =
        attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
    if (own == nullptr) return false;
    facts.address = {ip_of(own), info->ifa_prefixlen};
    facts.link = static_cast<int>(info->ifa_index);
    return true;
}

}  // namespace

Result<LinkFacts> look_up_link(nl_sock& socket, int index) {
    NlMsg message(nlmsg_alloc_simple(RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK));
    if (!message) throw std::bad_alloc();
    ifinfomsg info{};
    info.ifi_index = index;
    if (nlmsg_append(message.get(), &info, sizeof info, NLMSG_ALIGNTO) < 0) throw std::bad_alloc();
    LinkFacts facts;
    TRY_DOING(ask(socket, message, [&](const nlmsghdr* header) { facts = link_of(header); }),
              "look at link {}", index);
    return facts;
}

Result<std::vector<RouteFacts>> dump_routes(nl_sock& socket) {
    return TRY_DOING((dump<rtmsg>(socket, RTM_GETROUTE, read_route)), "list the routes");
}

Result<std::vector<AddressFacts>> dump_addresses(nl_sock& socket) {
    return TRY_DOING((dump<ifaddrmsg>(socket, RTM_GETADDR, read_address)), "list the addresses");
}

}  // namespace davit::network
