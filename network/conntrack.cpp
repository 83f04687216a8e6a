#include "network/conntrack.h"

#include "base/sys.h"
#include "base/unique_fd.h"
#include "network/netlink.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <map>
#include <netinet/in.h>
#include <set>
#include <string>
#include <string_view>
#include <sys/socket.h>

// Flows as the kernel tracks them. @source linux/netfilter/nfnetlink_conntrack.h

namespace davit::network {
namespace {

constexpr int kType = NFNL_SUBSYS_CTNETLINK << 8;
constexpr std::size_t kHeader = NLMSG_LENGTH(sizeof(nfgenmsg));

/// The attributes in `bytes`, without their headers, by type.
std::map<int, std::string_view> attributes(std::string_view bytes) {
    std::map<int, std::string_view> found;
    while (bytes.size() >= sizeof(nlattr)) {
        nlattr header{};
        std::memcpy(&header, bytes.data(), sizeof header);
        if (header.nla_len < sizeof header || header.nla_len > bytes.size()) break;
        found[header.nla_type & NLA_TYPE_MASK] =
            bytes.substr(sizeof header, header.nla_len - sizeof header);
        bytes.remove_prefix(std::min<std::size_t>(NLA_ALIGN(header.nla_len), bytes.size()));
    }
    return found;
}

std::string_view part(std::string_view bytes, std::initializer_list<int> path) {
    for (const int type : path) {
        const auto all = attributes(bytes);
        const auto found = all.find(type);
        if (found == all.end()) return {};
        bytes = found->second;
    }
    return bytes;
}

std::uint16_t port_of(std::string_view bytes) {
    std::uint16_t port = 0;
    if (bytes.size() == sizeof port) std::memcpy(&port, bytes.data(), sizeof port);
    return ntohs(port);
}

/// One flow: where its first packet went, and who answers.
struct Flow {
    std::string original = {};  ///< CTA_TUPLE_ORIG as it came, to name the flow by.
    std::string zone = {};
    std::string id = {};
    unsigned char family = AF_INET;
    std::uint16_t port = 0;      ///< That was asked for.
    std::string asked = {};      ///< Bytes of the address that was asked for.
    std::string answering = {};  ///< Bytes of the address that answers.
    std::uint16_t answering_port = 0;
};

std::string_view address_in(std::string_view message, int tuple, bool source, bool v6) {
    const int v4_type = source ? CTA_IP_V4_SRC : CTA_IP_V4_DST;
    const int v6_type = source ? CTA_IP_V6_SRC : CTA_IP_V6_DST;
    return part(message, {tuple, CTA_TUPLE_IP, v6 ? v6_type : v4_type});
}

bool read_flow(const nlmsghdr* header, Flow& flow) {
    if (header->nlmsg_len < kHeader) return false;
    const auto* bytes = reinterpret_cast<const char*>(header);
    const std::string_view message(bytes + kHeader, header->nlmsg_len - kHeader);
    nfgenmsg family{};
    std::memcpy(&family, bytes + sizeof(nlmsghdr), sizeof family);
    flow.family = family.nfgen_family;
    const std::string_view protocol =
        part(message, {CTA_TUPLE_ORIG, CTA_TUPLE_PROTO, CTA_PROTO_NUM});
    if (protocol.size() != 1 || protocol.front() != IPPROTO_UDP) return false;
    const bool v6 = flow.family == AF_INET6;
    flow.original = part(message, {CTA_TUPLE_ORIG});
    flow.zone = part(message, {CTA_ZONE});
    flow.id = part(message, {CTA_ID});
    flow.port = port_of(part(message, {CTA_TUPLE_ORIG, CTA_TUPLE_PROTO, CTA_PROTO_DST_PORT}));
    flow.asked = address_in(message, CTA_TUPLE_ORIG, false, v6);
    flow.answering = address_in(message, CTA_TUPLE_REPLY, true, v6);
    flow.answering_port =
        port_of(part(message, {CTA_TUPLE_REPLY, CTA_TUPLE_PROTO, CTA_PROTO_SRC_PORT}));
    return true;
}

Result<UniqueFd> open_socket() {
    UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    if (!fd) return Error::from_errno(errno, "socket(2)");
    const timeval limit{5, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

void append_attribute(std::string& message, int type, const std::string& bytes) {
    if (bytes.empty()) return;
    const nlattr header{static_cast<std::uint16_t>(sizeof(nlattr) + bytes.size()),
                        static_cast<std::uint16_t>(type)};
    message.append(reinterpret_cast<const char*>(&header), sizeof header);
    message += bytes;
    message.resize(NLMSG_ALIGN(message.size()));
}

std::string request(int type, int flags, unsigned char family) {
    nlmsghdr header{};
    header.nlmsg_type = static_cast<std::uint16_t>(kType | type);
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    nfgenmsg generic{};
    generic.nfgen_family = family;
    std::string message(reinterpret_cast<const char*>(&header), sizeof header);
    message.append(reinterpret_cast<const char*>(&generic), sizeof generic);
    return message;
}

Result<void> send(const UniqueFd& fd, std::string message) {
    const auto length = static_cast<std::uint32_t>(message.size());
    std::memcpy(message.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
    if (::send(fd.get(), message.data(), message.size(), 0) == -1)
        return Error::from_errno(errno, "send(2)");
    return {};
}

/// Hands every message to `take`, until the kernel says done. @errors the kernel's
template <typename Take>
Result<void> receive(const UniqueFd& fd, Take take) {
    for (;;) {
        alignas(nlmsghdr) char buffer[32768];
        const ssize_t got =
            sys::retry_on_eintr([&] { return ::recv(fd.get(), buffer, sizeof buffer, 0); });
        if (got < 0) return Error::from_errno(errno, "recv(2)");
        const auto end = static_cast<std::size_t>(got);
        for (std::size_t at = 0; at + sizeof(nlmsghdr) <= end;) {
            const auto* message = reinterpret_cast<const nlmsghdr*>(buffer + at);
            if (message->nlmsg_len < sizeof(nlmsghdr) || at + message->nlmsg_len > end) break;
            if (message->nlmsg_type == NLMSG_DONE) return {};
            if (message->nlmsg_type == NLMSG_ERROR) {
                nlmsgerr problem{};
                std::memcpy(&problem, buffer + at + sizeof(nlmsghdr), sizeof problem);
                if (problem.error == 0) return {};
                return Error::from_errno(-problem.error, "ctnetlink");
            }
            take(message);
            at += NLMSG_ALIGN(message->nlmsg_len);
        }
    }
}

Result<std::vector<Flow>> udp_flows(unsigned char family) {
    const UniqueFd fd = TRY(open_socket());
    TRY(send(fd, request(IPCTNL_MSG_CT_GET, NLM_F_DUMP, family)));
    std::vector<Flow> flows;
    TRY(receive(fd, [&](const nlmsghdr* message) {
        Flow flow;
        if (read_flow(message, flow)) flows.push_back(std::move(flow));
    }));
    return flows;
}

Result<void> forget(const UniqueFd& fd, const Flow& flow) {
    std::string message = request(IPCTNL_MSG_CT_DELETE, NLM_F_ACK, flow.family);
    append_attribute(message, CTA_TUPLE_ORIG | NLA_F_NESTED, flow.original);
    append_attribute(message, CTA_ZONE, flow.zone);
    append_attribute(message, CTA_ID, flow.id);
    TRY(send(fd, std::move(message)));
    Result<void> done = receive(fd, [](const nlmsghdr*) {});
    // It has just ended by itself.
    if (!done && done.error().error_number() == ENOENT) return {};
    return done;
}

/// Whether the flow was led to, or has come for, a port that leads elsewhere now.
bool is_stale(const Flow& flow, const RulePort& port, const std::set<std::string>& own) {
    if (port.protocol != "udp" || flow.port != port.host_port) return false;
    if ((flow.family == AF_INET6) != port.target.v6) return false;
    if (port.host_ip && flow.asked != port.host_ip->bytes()) return false;
    if (flow.answering == port.target.bytes() && flow.answering_port == port.target_port)
        return false;
    // What only passes through, to a port of the same number elsewhere, is nobody's business here.
    return own.contains(flow.asked) || flow.asked.starts_with('\x7f');
}

}  // namespace

Result<std::size_t> forget_udp_flows(const std::vector<RulePort>& ports) {
    const bool any = std::any_of(ports.begin(), ports.end(),
                                 [](const RulePort& port) { return port.protocol == "udp"; });
    if (!any) return std::size_t{0};
    std::set<std::string> own;
    {
        const NlSock route = TRY(open_route_socket());
        for (const AddressFacts& address : TRY(dump_addresses(*route)))
            own.insert(address.address.address.bytes());
    }
    std::size_t forgotten = 0;
    const UniqueFd fd = TRY(open_socket());
    constexpr unsigned char kFamilies[] = {AF_INET, AF_INET6};
    for (const unsigned char family : kFamilies) {
        const std::vector<Flow> flows = TRY_DOING(udp_flows(family), "look at the kernel's flows");
        for (const Flow& flow : flows) {
            const bool stale = std::any_of(ports.begin(), ports.end(), [&](const RulePort& port) {
                return is_stale(flow, port, own);
            });
            if (!stale) continue;
            TRY_DOING(forget(fd, flow), "forget a flow");
            ++forgotten;
        }
    }
    return forgotten;
}

}  // namespace davit::network
