#include "runtime/fence.h"

#include "base/nft_batch.h"
#include "runtime/rules_watch.h"
#include "tests/network/forge.h"
#include "tests/network/lab.h"
#include "tests/support/command.h"
#include "tests/support/temp_dir.h"

#include <csignal>
#include <doctest/doctest.h>
#include <sys/epoll.h>
#include <sys/wait.h>

using namespace davit;
using namespace davit::network;
using namespace davit::network::testing;
using davit::runtime::EventLoop;
using davit::runtime::Fence;
using davit::testing::TempDir;

namespace {

bool nft(std::vector<std::string> words) {
    words.insert(words.begin(), "nft");
    return davit::testing::run({.argv = std::move(words)}).status == 0;
}

bool has_fence() { return nft({"list", "table", "inet", "davit_fence"}); }

bool flush() { return nft({"flush", "ruleset"}); }

constexpr const char* kFenceRaw =
    "\tchain raw {\n"
    "\t\ttype filter hook prerouting priority raw; policy accept;\n"
    "\t\tiifname != @br accept\n"
    "\t\tip daddr 127.0.0.0/8 drop\n"
    "\t\tip saddr 127.0.0.0/8 drop\n"
    "\t}\n";
constexpr const char* kFenceForward =
    "\tchain forward {\n"
    "\t\ttype filter hook forward priority filter; policy accept;\n"
    "\t\tiifname != @br oifname != @br accept\n"
    "\t\tct state established,related accept\n"
    "\t\tiifname @internal oifname != @internal drop\n"
    "\t\toifname @internal iifname != @internal drop\n"
    "\t\tiifname . oifname @intra accept\n"
    "\t\toifname @br ct status dnat accept\n"
    "\t\toifname @br drop\n"
    "\t}\n";
constexpr const char* kFenceInput =
    "\tchain input {\n"
    "\t\ttype filter hook input priority filter; policy accept;\n"
    "\t\tiifname != @internal accept\n"
    "\t\tct state established,related accept\n"
    "\t\tmeta l4proto icmp accept\n"
    "\t\tmeta l4proto ipv6-icmp accept\n"
    "\t\tdrop\n"
    "\t}\n";

/// The rules of the lab, with another network that is internal.
Ruleset with_internal() {
    Ruleset rules = Lab::rules();
    rules.networks[1].internal = true;
    return rules;
}

}  // namespace

TEST_CASE("networks stay apart while the rules are flushed [ns]") {
    IN_OWN_NAMESPACES([] {
        const TempDir run_root;
        Lab lab;
        if (!lab.up() || !lab.add_lan()) return 1;
        EventLoop loop = *EventLoop::create();
        std::unique_ptr<Fence> fence = Fence::open(run_root.path(), loop);
        fence->refresh();
        if (!flush() || nft({"list", "table", "inet", "davit"}) || !has_fence()) return 2;
        fence->refresh();  // there is nothing to learn from what is gone
        if (!has_fence()) return 3;
        if (reaches_from(lab.c1, "172.18.0.2", 80, lab.other, 300)) return 4;
        if (reaches_from(lab.lan, "172.17.0.2", 80, lab.web, 300)) return 5;
        const UniqueFd service = udp_in(*sys::open("/proc/thread-self/ns/net", O_RDONLY));
        if (!bind_any(service, 6000)) return 6;
        if (!forge_packet(lab.c1, "172.17.0.2", "127.0.0.1", 6000)) return 7;
        if (has_mail(service, 200)) return 8;
        // What may be still is.
        if (!reaches("172.17.0.2", 80, lab.web)) return 9;
        const UniqueFd far = listen_in(lab.lan, 7000);
        if (!reaches_from(lab.c1, "192.0.2.9", 7000, far)) return 10;
        fence.reset();
        if (has_fence()) return 11;
        // Shows that it was the fence.
        if (!reaches_from(lab.c1, "172.18.0.2", 80, lab.other)) return 12;
        return reaches_from(lab.lan, "172.17.0.2", 80, lab.web) ? 0 : 13;
    });
}

TEST_CASE("the fence lets pass what the rules let pass, and follows them [ns]") {
    IN_OWN_NAMESPACES([] {
        const TempDir run_root;
        Lab lab;
        if (!lab.up() || !lab.add_lan()) return 1;
        EventLoop loop = *EventLoop::create();
        const std::unique_ptr<Fence> fence = Fence::open(run_root.path(), loop);
        fence->refresh();
        const UniqueFd far = listen_in(lab.lan, 7000);
        if (!reaches("127.0.0.1", 8080, lab.web)) return 2;
        if (!reaches_from(lab.lan, "192.0.2.1", 8080, lab.web)) return 3;
        if (!reaches_from(lab.c3, "172.18.0.1", 8080, lab.web)) return 4;
        if (!reaches_from(lab.c2, "172.17.0.2", 80, lab.web)) return 5;
        if (!reaches_from(lab.c3, "192.0.2.9", 7000, far)) return 6;
        // The second network is internal from now on.
        if (!load(with_internal())) return 7;
        fence->refresh();
        if (!flush() || !has_fence()) return 8;
        if (reaches_from(lab.c3, "192.0.2.9", 7000, far, 300)) return 9;
        const UniqueFd host = listen_on("0.0.0.0", 6001);
        if (reaches_from(lab.c3, "172.18.0.1", 6001, host, 300)) return 10;
        return reaches_from(lab.c1, "192.0.2.9", 7000, far) ? 0 : 11;
    });
}

TEST_CASE("the fence says this [ns]") {
    IN_OWN_NAMESPACES([] {
        const TempDir run_root;
        if (!load(with_internal())) return 1;
        EventLoop loop = *EventLoop::create();
        const std::unique_ptr<Fence> fence = Fence::open(run_root.path(), loop);
        fence->refresh();
        const std::string text =
            davit::testing::run({.argv = {"nft", "list", "table", "inet", "davit_fence"}}).out;
        for (const char* part : {kFenceRaw, kFenceForward, kFenceInput}) {
            if (text.find(part) != std::string::npos) continue;
            std::fprintf(stderr, "%s\nis not in\n%s\n", part, text.c_str());
            return 2;
        }
        return text.find("flags owner") != std::string::npos ? 0 : 3;
    });
}

TEST_CASE("another guard makes the fence anew where its owner is killed [ns]") {
    IN_OWN_NAMESPACES([] {
        const TempDir run_root;
        Lab lab;
        if (!lab.up()) return 1;
        int ready[2];
        if (::pipe(ready) != 0) return 2;
        const pid_t owner = ::fork();
        if (owner == 0) {
            EventLoop loop = *EventLoop::create();
            const std::unique_ptr<Fence> fence = Fence::open(run_root.path(), loop);
            fence->refresh();
            (void)!::write(ready[1], "x", 1);
            for (;;) ::pause();
        }
        char byte = 0;
        if (::read(ready[0], &byte, 1) != 1 || !has_fence()) return 3;
        EventLoop loop = *EventLoop::create();
        const std::unique_ptr<Fence> fence = Fence::open(run_root.path(), loop);
        fence->refresh();
        // Not even root takes it away, but by a way that nobody takes by mistake.
        if (!flush() || !has_fence() || nft({"delete", "table", "inet", "davit_fence"})) return 4;
        if (!load(Lab::rules())) return 5;
        ::kill(owner, SIGKILL);
        ::waitpid(owner, nullptr, 0);
        const runtime::Timer end = *runtime::Timer::create();
        if (!loop.watch(end.fd(), EPOLLIN, [&](std::uint32_t) { loop.quit(); })) return 6;
        end.arm(std::chrono::milliseconds(200));
        if (!loop.run() || !has_fence()) return 7;
        if (!flush() || !has_fence()) return 8;
        return reaches_from(lab.c1, "172.18.0.2", 80, lab.other, 300) ? 9 : 0;
    });
}
