#include "runtime/rules_watch.h"

#include "base/json.h"
#include "base/log.h"
#include "base/nft_batch.h"
#include "base/sys.h"
#include "runtime/clone.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

constexpr const char* kTable = "davit";
constexpr const char* kChain = "forward";  ///< What keeps networks apart; see network/ruleset.cpp.
/// A stack that comes up changes the rules many times, and each guard of the host hears of it: with
/// two hundred guards, to wake all of them for each change is a tenth of the work of `up`.
constexpr std::chrono::milliseconds kSoon{30};
constexpr std::chrono::milliseconds kWhereBusy{250};
/// Who has looked so shortly before is where rules change all the time.
constexpr std::chrono::milliseconds kBusy{1000};
constexpr std::chrono::milliseconds kAgain{1000};
constexpr std::chrono::milliseconds kLongest{60000};

constexpr int nftables_type(int message) { return (NFNL_SUBSYS_NFTABLES << 8) | message; }

/// Every change ends with one message of the type NEWGEN: that alone wakes the guard, and not the
/// thousands of elements that somebody may load. @source linux/net/netfilter/nf_tables_api.c
Result<void> hear_ends_only(const UniqueFd& fd) {
    constexpr std::uint32_t kTypeAt = offsetof(nlmsghdr, nlmsg_type);
    constexpr std::uint32_t kWhole = 0xffffffff;
    // The filter reads in network order what netlink writes in the host's.
    const std::uint32_t wanted = htons(static_cast<std::uint16_t>(nftables_type(NFT_MSG_NEWGEN)));
    std::array<sock_filter, 4> code = {{{BPF_LD | BPF_H | BPF_ABS, 0, 0, kTypeAt},
                                        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, wanted},
                                        {BPF_RET | BPF_K, 0, 0, kWhole},
                                        {BPF_RET | BPF_K, 0, 0, 0}}};
    const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
    const int group = NFNLGRP_NFTABLES;
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == -1 ||
        ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == -1)
        return Error::from_errno(errno, "setsockopt(2)").doing("watch the packet rules");
    return {};
}

/// A request for the rules of one chain.
struct RulesRequest {
    nlmsghdr header = {};
    nfgenmsg family = {};
    std::array<char, 64> attributes = {};

    void add(std::uint16_t type, std::string_view text) {
        char* const end =
            attributes.data() + (header.nlmsg_len - offsetof(RulesRequest, attributes));
        nlattr attribute{static_cast<std::uint16_t>(sizeof(nlattr) + text.size() + 1), type};
        std::memcpy(end, &attribute, sizeof attribute);
        std::memcpy(end + sizeof attribute, text.data(), text.size());
        header.nlmsg_len += NLA_ALIGN(attribute.nla_len);
    }
};

}  // namespace

Result<bool> has_rules() {
    const UniqueFd fd = TRY(open_netfilter());
    RulesRequest request;
    request.header.nlmsg_len = offsetof(RulesRequest, attributes);
    request.header.nlmsg_type = static_cast<std::uint16_t>(nftables_type(NFT_MSG_GETRULE));
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.family.nfgen_family = NFPROTO_INET;
    request.add(NFTA_RULE_TABLE, kTable);
    request.add(NFTA_RULE_CHAIN, kChain);
    if (::send(fd.get(), &request, request.header.nlmsg_len, 0) == -1)
        return Error::from_errno(errno, "send(2)").doing("ask for the packet rules");
    bool found = false;
    for (;;) {
        alignas(nlmsghdr) char buffer[8192];
        const ssize_t got =
            sys::retry_on_eintr([&] { return ::recv(fd.get(), buffer, sizeof buffer, 0); });
        if (got < 0) return Error::from_errno(errno, "recv(2)").doing("ask for the packet rules");
        const auto end = static_cast<std::size_t>(got);
        for (std::size_t at = 0; at + sizeof(nlmsghdr) <= end;) {
            const auto* message = reinterpret_cast<const nlmsghdr*>(buffer + at);
            if (message->nlmsg_len < sizeof(nlmsghdr) || at + message->nlmsg_len > end) break;
            if (message->nlmsg_type == nftables_type(NFT_MSG_NEWRULE)) found = true;
            if (message->nlmsg_type == NLMSG_DONE) return found;
            if (message->nlmsg_type == NLMSG_ERROR) {
                nlmsgerr problem{};
                std::memcpy(&problem, buffer + at + sizeof(nlmsghdr), sizeof problem);
                if (problem.error == -ENOENT) return false;
                return Error::from_errno(-problem.error, "nf_tables")
                    .doing("ask for the packet rules");
            }
            at += NLMSG_ALIGN(message->nlmsg_len);
        }
    }
}

Result<RulesSetup> parse_rules_setup(const std::string& json) {
    const Json setup = TRY(parse_json(json, "io.davit.rules"));
    return decode_json(setup, "io.davit.rules", [](const Json& one) {
        return RulesSetup{one.at("program").get<std::string>(),
                          one.at("run_root").get<std::string>()};
    });
}

RulesWatch::RulesWatch(RulesSetup setup, EventLoop& loop, UniqueFd events, Timer again)
    : setup_(std::move(setup)),
      loop_(loop),
      events_(std::move(events)),
      again_(std::move(again)),
      fence_(Fence::open(setup_.run_root, loop_)) {}

RulesWatch::~RulesWatch() {
    loop_.forget(events_.get());
    loop_.forget(again_.fd());
    if (loading_) loop_.forget(loading_.get());
}

Result<std::unique_ptr<RulesWatch>> RulesWatch::open(RulesSetup setup, EventLoop& loop) {
    UniqueFd events = TRY(open_netfilter(SOCK_NONBLOCK));
    TRY(hear_ends_only(events));
    Timer again = TRY(Timer::create());
    std::unique_ptr<RulesWatch> watch(
        new RulesWatch(std::move(setup), loop, std::move(events), std::move(again)));
    RulesWatch* self = watch.get();
    TRY(loop.watch(self->again_.fd(), EPOLLIN, [self](std::uint32_t) {
        self->listen();
        self->look();
    }));
    // The rules may have stood for long: a guard that begins may have to keep the fence.
    self->look_soon();
    return watch;
}

/// What has happened so far is no news any more; the next change is.
void RulesWatch::listen() {
    again_.disarm();
    char buffer[1024];
    // Also where some were lost (ENOBUFS): what counts is how things stand now.
    while (::recv(events_.get(), buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
    }
    const Result<void> heard =
        loop_.watch(events_.get(), EPOLLIN, [this](std::uint32_t) { look_soon(); });
    if (!heard) log::warn("runtime", "{}", heard.error().to_string());
}

/// Until then nobody listens, and changes without end don't put it off.
void RulesWatch::look_soon() {
    loop_.forget(events_.get());
    // Who keeps the fence is one of the host, and must know of new bridges.
    again_.arm(!fence_->kept() && Clock::now() - looked_ < kBusy ? kWhereBusy : kSoon);
}

void RulesWatch::look() {
    looked_ = Clock::now();
    if (loading_) return;
    const Result<bool> there = has_rules();
    if (!there) {
        log::warn("runtime", "{}", there.error().to_string());
        return again_.arm(kAgain);
    }
    if (*there) {
        pause_ = {};
        return fence_->refresh();
    }
    // One guard of the host is enough; should that one be killed, another sees it a second later.
    pause_ = std::clamp(pause_ * 2, kAgain, kLongest);
    again_.arm(pause_);
    turn_.reset(
        ::open((setup_.run_root + "/rules.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!turn_ || ::flock(turn_.get(), LOCK_EX | LOCK_NB) == -1) return turn_.reset();
    log::warn("runtime", "somebody has flushed the packet rules; loading them again");
    int pidfd = -1;
    if (const Result<pid_t> loading = spawn(&pidfd); !loading) {
        log::error("runtime", "{}", loading.error().to_string());
        return turn_.reset();
    }
    loading_.reset(pidfd);
    if (!loop_.watch(loading_.get(), EPOLLIN, [this](std::uint32_t) { on_loaded(); })) on_loaded();
}

void RulesWatch::on_loaded() {
    loop_.forget(loading_.get());
    siginfo_t info{};
    sys::retry_on_eintr(
        [&] { return ::waitid(P_PIDFD, static_cast<id_t>(loading_.get()), &info, WEXITED); });
    loading_.reset();
    turn_.reset();
    // They may have been flushed once more meanwhile.
    listen();
    const Result<bool> there = has_rules();
    if (!there || !*there) return again_.arm(pause_);
    pause_ = {};
    fence_->refresh();
}

void RulesWatch::load_now() const {
    if (const Result<pid_t> loading = spawn(nullptr); !loading)
        log::error("runtime", "{}", loading.error().to_string());
}

Result<pid_t> RulesWatch::spawn(int* pidfd) const {
    std::string program = setup_.program;
    std::string root = "DAVIT_RUN_ROOT=" + setup_.run_root;
    std::string path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    std::string words[] = {"davit", "network", "reload"};
    char* const argv[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
    char* const environment[] = {root.data(), path.data(), nullptr};
    const pid_t pid = clone_process({.flags = CLONE_VFORK | (pidfd != nullptr ? CLONE_PIDFD : 0ULL),
                                     .exit_signal = SIGCHLD,
                                     .pidfd = pidfd});
    if (pid == -1) return Error::from_errno(errno, "clone3(2)").doing("load the packet rules");
    if (pid != 0) return pid;
    // Only async-signal-safe calls from here on.
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(program.c_str(), argv, environment);
    ::_exit(127);
}

}  // namespace davit::runtime
