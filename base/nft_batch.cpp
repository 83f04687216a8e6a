#include "base/nft_batch.h"

#include "base/sys.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

namespace davit {
namespace {

/// For nft(8) alone, which stores here in what order it has to show a set's bytes: type, length,
/// and BYTEORDER_HOST_ENDIAN. @source libnftnl/udata.h, NFTNL_UDATA_SET_KEYBYTEORDER
constexpr std::string_view kAsInHost{"\0\4\1\0\0\0", 6};

/// Two registers of 16 bytes that lie beside each other, so that a pair of names is one key.
constexpr std::uint32_t kFirst = NFT_REG_1;
constexpr std::uint32_t kSecond = NFT_REG_2;

/// Messages and attributes begin at multiples of four.
constexpr std::size_t aligned(std::size_t size) { return (size + 3U) & ~std::size_t{3}; }

std::string padded(std::string bytes) {
    bytes.resize(aligned(bytes.size()), '\0');
    return bytes;
}

std::string attribute(unsigned type, std::string_view data) {
    const nlattr head{static_cast<std::uint16_t>(sizeof(nlattr) + data.size()),
                      static_cast<std::uint16_t>(type)};
    std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
    bytes += data;
    return padded(std::move(bytes));
}

std::string nested(unsigned type, std::string_view data) {
    return attribute(type | NLA_F_NESTED, data);
}

std::string text(unsigned type, const std::string& value) {
    return attribute(type, std::string_view(value.c_str(), value.size() + 1));
}

/// Numbers are in network order in this language.
std::string number(unsigned type, std::uint32_t value) {
    const std::uint32_t bytes = htonl(value);
    return attribute(type, {reinterpret_cast<const char*>(&bytes), sizeof bytes});
}

/// What is compared with a register is as the register has it: in the host's order.
std::string host_number(std::uint32_t value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// One netlink message of nf_tables.
std::string message_of(int type, int flags, std::uint8_t family, std::uint16_t resource,
                       std::uint32_t sequence, const std::string& attributes) {
    nlmsghdr head{};
    head.nlmsg_len =
        static_cast<std::uint32_t>(sizeof(nlmsghdr) + sizeof(nfgenmsg) + attributes.size());
    head.nlmsg_type = static_cast<std::uint16_t>(type);
    head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    head.nlmsg_seq = sequence;
    const nfgenmsg about{family, NFNETLINK_V0, htons(resource)};
    std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
    bytes.append(reinterpret_cast<const char*>(&about), sizeof about);
    return padded(bytes + attributes);
}

int tables_type(int message) { return (NFNL_SUBSYS_NFTABLES << 8) | message; }

/// Calls `each(type, attributes)` for every attribute in `bytes`.
template <typename Each>
void for_each_attribute(std::string_view bytes, Each each) {
    while (bytes.size() >= sizeof(nlattr)) {
        nlattr head{};
        std::memcpy(&head, bytes.data(), sizeof head);
        if (head.nla_len < sizeof head || head.nla_len > bytes.size()) return;
        each(head.nla_type & NLA_TYPE_MASK, bytes.substr(sizeof head, head.nla_len - sizeof head));
        bytes.remove_prefix(std::min<std::size_t>(aligned(head.nla_len), bytes.size()));
    }
}

/// Adds the keys of one message of a dump.
void add_keys(std::string_view attributes, std::vector<std::string>& keys) {
    for_each_attribute(attributes, [&](int type, std::string_view list) {
        if (type != NFTA_SET_ELEM_LIST_ELEMENTS) return;
        for_each_attribute(list, [&](int, std::string_view element) {
            for_each_attribute(element, [&](int part, std::string_view key) {
                if (part != NFTA_SET_ELEM_KEY) return;
                for_each_attribute(key,
                                   [&](int, std::string_view value) { keys.emplace_back(value); });
            });
        });
    });
}

enum class Dump { GoesOn, Done, Nothing };

Result<Dump> read_part(std::string_view bytes, std::vector<std::string>& keys) {
    while (bytes.size() >= sizeof(nlmsghdr)) {
        nlmsghdr head{};
        std::memcpy(&head, bytes.data(), sizeof head);
        if (head.nlmsg_len < sizeof head || head.nlmsg_len > bytes.size()) break;
        if (head.nlmsg_type == NLMSG_DONE) return Dump::Done;
        if (head.nlmsg_type == NLMSG_ERROR) {
            nlmsgerr problem{};
            std::memcpy(&problem, bytes.data() + sizeof head, sizeof problem);
            if (problem.error == -ENOENT) return Dump::Nothing;
            return Error::from_errno(-problem.error, "nf_tables").doing("read a set of the rules");
        }
        constexpr std::size_t kHeads = sizeof(nlmsghdr) + sizeof(nfgenmsg);
        if (head.nlmsg_type == tables_type(NFT_MSG_NEWSETELEM) && head.nlmsg_len > kHeads)
            add_keys(bytes.substr(kHeads, head.nlmsg_len - kHeads), keys);
        bytes.remove_prefix(std::min<std::size_t>(aligned(head.nlmsg_len), bytes.size()));
    }
    return Dump::GoesOn;
}

}  // namespace

Result<UniqueFd> open_netfilter(int flags) {
    UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_NETFILTER));
    if (!fd) return Error::from_errno(errno, "socket(2)").doing("open the packet rules");
    sockaddr_nl any{};
    any.nl_family = AF_NETLINK;
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) == -1)
        return Error::from_errno(errno, "bind(2)").doing("open the packet rules");
    const timeval limit{2, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

NftRule& NftRule::add(std::string_view name, const std::string& data) {
    const std::string expression =
        text(NFTA_EXPR_NAME, std::string(name)) + nested(NFTA_EXPR_DATA, data);
    expressions_ += nested(NFTA_LIST_ELEM, expression);
    return *this;
}

NftRule& NftRule::link_in(std::uint32_t key, const std::string& set, bool is) {
    add("meta", number(NFTA_META_DREG, kFirst) + number(NFTA_META_KEY, key));
    return add("lookup", text(NFTA_LOOKUP_SET, set) + number(NFTA_LOOKUP_SREG, kFirst) +
                             number(NFTA_LOOKUP_FLAGS, is ? 0 : NFT_LOOKUP_F_INV));
}

NftRule& NftRule::in_link_in(const std::string& set, bool is) {
    return link_in(NFT_META_IIFNAME, set, is);
}

NftRule& NftRule::out_link_in(const std::string& set, bool is) {
    return link_in(NFT_META_OIFNAME, set, is);
}

NftRule& NftRule::links_in(const std::string& set) {
    add("meta", number(NFTA_META_DREG, kFirst) + number(NFTA_META_KEY, NFT_META_IIFNAME));
    add("meta", number(NFTA_META_DREG, kSecond) + number(NFTA_META_KEY, NFT_META_OIFNAME));
    return add("lookup", text(NFTA_LOOKUP_SET, set) + number(NFTA_LOOKUP_SREG, kFirst));
}

NftRule& NftRule::compare(std::uint32_t operation, std::string_view value) {
    return add("cmp", number(NFTA_CMP_SREG, kFirst) + number(NFTA_CMP_OP, operation) +
                          nested(NFTA_CMP_DATA, attribute(NFTA_DATA_VALUE, value)));
}

NftRule& NftRule::ipv4_begins(std::uint32_t offset, std::uint8_t byte) {
    const char family = NFPROTO_IPV4;
    add("meta", number(NFTA_META_DREG, kFirst) + number(NFTA_META_KEY, NFT_META_NFPROTO));
    compare(NFT_CMP_EQ, {&family, 1});
    add("payload", number(NFTA_PAYLOAD_DREG, kFirst) +
                       number(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER) +
                       number(NFTA_PAYLOAD_OFFSET, offset) + number(NFTA_PAYLOAD_LEN, 1));
    return compare(NFT_CMP_EQ, {reinterpret_cast<const char*>(&byte), 1});
}

NftRule& NftRule::protocol(std::uint8_t protocol_number) {
    add("meta", number(NFTA_META_DREG, kFirst) + number(NFTA_META_KEY, NFT_META_L4PROTO));
    return compare(NFT_CMP_EQ, {reinterpret_cast<const char*>(&protocol_number), 1});
}

NftRule& NftRule::tracked(std::uint32_t key, std::uint32_t bits) {
    add("ct", number(NFTA_CT_DREG, kFirst) + number(NFTA_CT_KEY, key));
    add("bitwise", number(NFTA_BITWISE_SREG, kFirst) + number(NFTA_BITWISE_DREG, kFirst) +
                       number(NFTA_BITWISE_LEN, sizeof bits) +
                       nested(NFTA_BITWISE_MASK, attribute(NFTA_DATA_VALUE, host_number(bits))) +
                       nested(NFTA_BITWISE_XOR, attribute(NFTA_DATA_VALUE, host_number(0))));
    return compare(NFT_CMP_NEQ, host_number(0));
}

NftRule& NftRule::verdict(std::uint32_t code) {
    const std::string value = nested(NFTA_DATA_VERDICT, number(NFTA_VERDICT_CODE, code));
    return add("immediate",
               number(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT) + nested(NFTA_IMMEDIATE_DATA, value));
}

void NftBatch::message(int type, int flags, const std::string& attributes) {
    const std::uint8_t family = family_ == NftFamily::Inet ? NFPROTO_INET : NFPROTO_BRIDGE;
    messages_ += message_of(tables_type(type), flags, family, 0, ++sequence_, attributes);
}

void NftBatch::own_table() {
    message(NFT_MSG_NEWTABLE, NLM_F_CREATE,
            text(NFTA_TABLE_NAME, table_) + number(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER));
}

void NftBatch::delete_table() { message(NFT_MSG_DELTABLE, 0, text(NFTA_TABLE_NAME, table_)); }

void NftBatch::set(const std::string& name, std::uint32_t key_length, std::uint32_t key_type,
                   const std::vector<std::string>& keys) {
    message(NFT_MSG_NEWSET, NLM_F_CREATE,
            text(NFTA_SET_TABLE, table_) + text(NFTA_SET_NAME, name) +
                number(NFTA_SET_KEY_TYPE, key_type) + number(NFTA_SET_KEY_LEN, key_length) +
                number(NFTA_SET_ID, ++sets_) + attribute(NFTA_SET_USERDATA, kAsInHost));
    elements(name, keys);
}

void NftBatch::elements(const std::string& set, const std::vector<std::string>& keys) {
    // One message each: a list that grows long would not fit into one attribute.
    for (const std::string& value : keys) {
        const std::string key = nested(NFTA_SET_ELEM_KEY, attribute(NFTA_DATA_VALUE, value));
        message(NFT_MSG_NEWSETELEM, NLM_F_CREATE,
                text(NFTA_SET_ELEM_LIST_TABLE, table_) + text(NFTA_SET_ELEM_LIST_SET, set) +
                    nested(NFTA_SET_ELEM_LIST_ELEMENTS, nested(NFTA_LIST_ELEM, key)));
    }
}

void NftBatch::chain(const std::string& name, std::uint32_t hook, std::int32_t priority) {
    const std::string place = number(NFTA_HOOK_HOOKNUM, hook) +
                              number(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(priority));
    message(NFT_MSG_NEWCHAIN, NLM_F_CREATE,
            text(NFTA_CHAIN_TABLE, table_) + text(NFTA_CHAIN_NAME, name) +
                nested(NFTA_CHAIN_HOOK, place) + number(NFTA_CHAIN_POLICY, NF_ACCEPT) +
                text(NFTA_CHAIN_TYPE, "filter"));
}

void NftBatch::rule(const std::string& chain, const NftRule& rule) {
    message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
            text(NFTA_RULE_TABLE, table_) + text(NFTA_RULE_CHAIN, chain) +
                nested(NFTA_RULE_EXPRESSIONS, rule.bytes()));
}

Result<void> NftBatch::send(const UniqueFd& socket) const {
    const auto edge = [](int type) {
        return message_of(type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, 0, {});
    };
    const std::string bytes = edge(NFNL_MSG_BATCH_BEGIN) + messages_ + edge(NFNL_MSG_BATCH_END);
    // A host with a thousand networks sends more than a socket takes by default.
    const int room = static_cast<int>(bytes.size()) * 2;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    if (::send(socket.get(), bytes.data(), bytes.size(), 0) == -1)
        return Error::from_errno(errno, "send(2)").doing("change the packet rules");
    // The kernel has carried it out, or not, before send(2) returns; only failures are told.
    for (;;) {
        alignas(nlmsghdr) char buffer[8192];
        const ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (got < static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(nlmsgerr))) return {};
        nlmsghdr head{};
        nlmsgerr problem{};
        std::memcpy(&head, buffer, sizeof head);
        std::memcpy(&problem, buffer + sizeof head, sizeof problem);
        if (head.nlmsg_type == NLMSG_ERROR && problem.error != 0)
            return Error::from_errno(-problem.error, "nf_tables").doing("change the packet rules");
    }
}

Result<std::vector<std::string>> keys_of_set(const UniqueFd& socket, const std::string& table,
                                             const std::string& set) {
    const std::string request =
        message_of(tables_type(NFT_MSG_GETSETELEM), NLM_F_DUMP, NFPROTO_INET, 0, 1,
                   text(NFTA_SET_ELEM_LIST_TABLE, table) + text(NFTA_SET_ELEM_LIST_SET, set));
    if (::send(socket.get(), request.data(), request.size(), 0) == -1)
        return Error::from_errno(errno, "send(2)").doing("read a set of the rules");
    std::vector<std::string> keys;
    for (;;) {
        alignas(nlmsghdr) char buffer[32768];
        const ssize_t got =
            sys::retry_on_eintr([&] { return ::recv(socket.get(), buffer, sizeof buffer, 0); });
        if (got < 0) return Error::from_errno(errno, "recv(2)").doing("read a set of the rules");
        const Dump part = TRY(read_part({buffer, static_cast<std::size_t>(got)}, keys));
        if (part == Dump::GoesOn) continue;
        if (part == Dump::Nothing) return std::vector<std::string>();
        std::sort(keys.begin(), keys.end());
        return keys;
    }
}

}  // namespace davit
