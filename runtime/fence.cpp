#include "runtime/fence.h"

#include "base/log.h"
#include "base/nft_batch.h"
#include "base/sys.h"

#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <linux/in6.h>  // not <netinet/in.h>: <linux/netfilter.h> has the other one
#include <linux/ip.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <sys/epoll.h>

namespace davit::runtime {
namespace {

constexpr const char* kTable = "davit";
constexpr const char* kFence = "davit_fence";
constexpr std::uint32_t kNameLength = 16;  // IFNAMSIZ
/// How nft(8) shows a set's keys; the kernel only stores it. @source nftables datatype.h
constexpr std::uint32_t kNameType = 41;
constexpr std::uint32_t kPairType = (kNameType << 6U) | kNameType;
constexpr std::int32_t kRaw = -300;
constexpr std::uint8_t kLoopback = 127;

/// As network/ruleset.cpp has them, and documented in docs/network.md.
void add_rules(NftBatch& batch) {
    const auto known = [] {
        // ESTABLISHED and RELATED
        return NftRule().tracked(
            NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
    };
    batch.chain("raw", NF_INET_PRE_ROUTING, kRaw);
    batch.rule("raw", NftRule().in_link_in("br", false).verdict(NF_ACCEPT));
    for (const std::size_t offset : {offsetof(iphdr, daddr), offsetof(iphdr, saddr)})
        batch.rule(
            "raw",
            NftRule().ipv4_begins(static_cast<std::uint32_t>(offset), kLoopback).verdict(NF_DROP));

    batch.chain("forward", NF_INET_FORWARD, 0);
    batch.rule("forward",
               NftRule().in_link_in("br", false).out_link_in("br", false).verdict(NF_ACCEPT));
    batch.rule("forward", known().verdict(NF_ACCEPT));
    batch.rule("forward",
               NftRule().in_link_in("internal").out_link_in("internal", false).verdict(NF_DROP));
    batch.rule("forward",
               NftRule().out_link_in("internal").in_link_in("internal", false).verdict(NF_DROP));
    batch.rule("forward", NftRule().links_in("intra").verdict(NF_ACCEPT));
    batch.rule("forward",
               NftRule().out_link_in("br").tracked(NFT_CT_STATUS, IPS_DST_NAT).verdict(NF_ACCEPT));
    batch.rule("forward", NftRule().out_link_in("br").verdict(NF_DROP));

    batch.chain("input", NF_INET_LOCAL_IN, 0);
    batch.rule("input", NftRule().in_link_in("internal", false).verdict(NF_ACCEPT));
    batch.rule("input", known().verdict(NF_ACCEPT));
    for (const auto protocol : {std::uint8_t{IPPROTO_ICMP}, std::uint8_t{IPPROTO_ICMPV6}})
        batch.rule("input", NftRule().protocol(protocol).verdict(NF_ACCEPT));
    batch.rule("input", NftRule().verdict(NF_DROP));
}

}  // namespace

Fence::Fence(std::string run_root, EventLoop& loop) : run_root_(std::move(run_root)), loop_(loop) {}

Fence::~Fence() {
    if (owner_) loop_.forget(owner_.get());
}

std::unique_ptr<Fence> Fence::open(std::string run_root, EventLoop& loop) {
    return std::unique_ptr<Fence>(new Fence(std::move(run_root), loop));
}

/// Whether this guard keeps the fence. Where another one does, its end will be heard of.
bool Fence::is_ours() {
    if (has_turn_) return true;
    if (owner_) return false;
    if (!turn_)
        turn_.reset(
            ::open((run_root_ + "/fence.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!turn_) return false;
    // A lock of the process: no child of the guard keeps it, and the kernel knows whose it is.
    struct flock lock {};
    lock.l_type = F_WRLCK;
    has_turn_ = ::fcntl(turn_.get(), F_SETLK, &lock) == 0;
    if (has_turn_) return true;
    lock.l_type = F_WRLCK;
    if (::fcntl(turn_.get(), F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        await_owner(lock.l_pid);
    return false;
}

void Fence::await_owner(int pid) {
    Result<UniqueFd> owner = sys::pidfd_open(pid);
    if (!owner) return;  // has just ended: the next change of rules finds a successor
    owner_ = *std::move(owner);
    const Result<void> watched = loop_.watch(owner_.get(), EPOLLIN, [this](std::uint32_t) {
        loop_.forget(owner_.get());
        owner_.reset();
        refresh();
    });
    if (!watched) owner_.reset();
}

Result<Fence::Names> Fence::read_names(const UniqueFd& socket) {
    Names names;
    names.bridges = TRY(keys_of_set(socket, kTable, "br"));
    names.internal = TRY(keys_of_set(socket, kTable, "internal"));
    names.intra = TRY(keys_of_set(socket, kTable, "intra"));
    return names;
}

Result<void> Fence::build() {
    const UniqueFd reader = TRY(open_netfilter());
    Names names = TRY(read_names(reader));
    // Between our looking and our reading the table may have gone: what stood there last counts.
    if (names.bridges.empty() || (socket_ && names == names_)) return {};
    if (!socket_) socket_ = TRY(open_netfilter());
    NftBatch batch(kFence);
    batch.own_table();
    batch.delete_table();
    batch.own_table();
    batch.set("br", kNameLength, kNameType, names.bridges);
    batch.set("internal", kNameLength, kNameType, names.internal);
    batch.set("intra", 2 * kNameLength, kPairType, names.intra);
    add_rules(batch);
    TRY(batch.send(socket_));
    names_ = std::move(names);
    return {};
}

void Fence::refresh() {
    if (given_up_ || !is_ours()) return;
    const Result<void> built = build();
    if (built) return;
    const int problem = built.error().error_number();
    given_up_ = problem == EOPNOTSUPP || problem == EINVAL;  // a kernel before 5.12
    if (!has_warned_)
        log::warn("runtime", "{}; networks are not kept apart while rules are flushed",
                  built.error().to_string());
    has_warned_ = true;
    names_ = {};
    socket_.reset();
}

}  // namespace davit::runtime
