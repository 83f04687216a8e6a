#include "runtime/attach_client.h"
#include "runtime/attachments.h"
#include "runtime/guard_client.h"
#include "runtime/protocol.h"
#include "tests/runtime/guarded_container.h"
#include "tests/support/text.h"

#include <array>
#include <functional>
#include <poll.h>
#include <sys/socket.h>
#include <thread>

// Clients that watch a container's output and write its input.

using namespace davit;
using davit::runtime::AttachPacket;
using davit::testing::GuardedContainer;
using davit::testing::sh;

namespace {

/// A connection that was asked to attach, speaking the guard's packets.
class Attached {
public:
    Attached(const GuardedContainer& box, bool input, bool all_output = false) {
        Result<UniqueFd> socket = runtime::connect_control(box.run_dir());
        REQUIRE(socket.ok());
        socket_ = *std::move(socket);
        REQUIRE(runtime::send_packet(
                    socket_, {{"op", "attach"}, {"input", input}, {"all_output", all_output}})
                    .ok());
        const Result<Json> answer = runtime::receive_packet(socket_);
        REQUIRE(answer.ok());
        REQUIRE(answer->value("ok", false));
    }

    void send(AttachPacket kind, const std::string& text) const {
        const std::string packet = static_cast<char>(kind) + text;
        REQUIRE(::send(socket_.get(), packet.data(), packet.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(packet.size()));
    }
    /// The next packet, with its letter; empty at the end, or where none comes.
    std::string next() const {
        pollfd ready{socket_.get(), POLLIN, 0};
        if (::poll(&ready, 1, 20000) != 1) return {};
        std::string packet(runtime::kAttachBytes + 1, '\0');
        const ssize_t got = ::recv(socket_.get(), packet.data(), packet.size(), 0);
        packet.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return packet;
    }
    /// Everything of one kind until the run has ended.
    std::string all(AttachPacket wanted, std::string* status = nullptr) const {
        std::string text;
        for (;;) {
            const std::string packet = next();
            if (packet.empty()) return text;
            if (packet.front() == static_cast<char>(AttachPacket::Ended)) {
                if (status != nullptr) *status = packet.substr(1);
                return text;
            }
            if (packet.front() == static_cast<char>(wanted)) text += packet.substr(1);
        }
    }

private:
    UniqueFd socket_;
};

}  // namespace

TEST_CASE("an attached client sees all output and the exit status [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("echo out; echo err >&2; exit 3"));
    REQUIRE(box.launch().ok());
    const Attached out(box, false);
    const Attached err(box, false);
    REQUIRE(runtime::start(box.run_dir()).ok());
    std::string status;
    CHECK(out.all(AttachPacket::Output, &status) == "out\n");
    CHECK(status == "3");
    CHECK(err.all(AttachPacket::Error) == "err\n");
    CHECK(box.await_end().exit_code == 3);
    CHECK(box.log_text("stdout") == "out\n");
    CHECK(box.leftovers() == "");
}

TEST_CASE("input reaches the program and its end too where it is asked for [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"cat"});
    box.annotate(runtime::kStdin, "once");
    box.run();
    const Attached client(box, true);
    client.send(AttachPacket::Input, "one\n");
    CHECK(client.next() == "oone\n");
    const std::string large(runtime::kAttachBytes, 'x');
    std::string got;
    for (int i = 0; i < 20; ++i) client.send(AttachPacket::Input, large);
    while (got.size() < 20 * large.size()) {
        const std::string packet = client.next();
        REQUIRE(!packet.empty());
        got += packet.substr(1);
    }
    client.send(AttachPacket::Closed, "");
    CHECK(client.next() == "x0");
    CHECK(box.await_end().exit_code == 0);
}

TEST_CASE("a program keeps its input when a client goes [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"cat"});
    box.annotate(runtime::kStdin, "open");
    box.run();
    {
        const Attached client(box, true);
        client.send(AttachPacket::Input, "first\n");
        CHECK(client.next() == "ofirst\n");
        client.send(AttachPacket::Closed, "");
    }
    const Attached client(box, true);
    client.send(AttachPacket::Input, "second\n");
    CHECK(client.next() == "osecond\n");
    CHECK(runtime::stop(box.run_dir(), SIGKILL, std::chrono::seconds(1)).ok());
}

TEST_CASE("a client that doesn't read never holds the container up [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"seq", "1", "600000"});
    box.config["annotations"].erase(runtime::kLogPath);
    REQUIRE(box.launch().ok());
    const Attached lazy(box, false);
    REQUIRE(runtime::start(box.run_dir()).ok());
    CHECK(box.await_end().exit_code == 0);
}

TEST_CASE("a client that wants all output gets it however slowly it reads [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"seq", "1", "600000"});
    box.config["annotations"].erase(runtime::kLogPath);
    REQUIRE(box.launch().ok());
    const Attached slow(box, false, true);
    REQUIRE(runtime::start(box.run_dir()).ok());
    // The container waits: what it wrote is more than what anybody keeps for this client.
    CHECK_FALSE(davit::testing::eventually([&] { return box.state().pid == 0; }));
    const std::string text = slow.all(AttachPacket::Output);
    CHECK(text.size() == 4088895);
    CHECK(text.ends_with("\n600000\n"));
    CHECK(box.await_end().exit_code == 0);
}

namespace {

/// A guard that ends while a client says that its input has ended. Returns what the client heard.
Result<runtime::Attachment::End> heard_of_a_hasty_guard() {
    const davit::testing::TempDir dir;
    const Result<UniqueFd> listener = runtime::listen_control(dir.path());
    REQUIRE(listener.ok());
    std::thread guard([&] {
        const UniqueFd client(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
        (void)runtime::receive_packet(client);
        Json answer = runtime::ok_answer();
        answer["input"] = true;
        (void)runtime::send_packet(client, answer);
        pollfd spoken{client.get(), POLLIN, 0};
        (void)::poll(&spoken, 1, 20000);
        (void)!::send(client.get(), "x4", 2, MSG_NOSIGNAL);
    });
    Result<runtime::Attachment> client = runtime::Attachment::open(dir.path(), {});
    REQUIRE(client.ok());
    Result<runtime::Attachment::End> end = client->run();
    guard.join();
    return end;
}

}  // namespace

TEST_CASE("the end of a run is heard also by a client whose last word nobody has read") {
    const UniqueFd before(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
    const UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    REQUIRE(::dup2(nothing.get(), STDIN_FILENO) == STDIN_FILENO);
    // It depends on who is quicker: every third time or so it is the guard.
    for (int round = 0; round < 40; ++round) {
        const Result<runtime::Attachment::End> end = heard_of_a_hasty_guard();
        REQUIRE(end.ok());
        CHECK_FALSE(end->lost);
        CHECK(end->exit_code == 4);
    }
    ::dup2(before.get(), STDIN_FILENO);
}

TEST_CASE("detach keys are what a terminal sends for them") {
    CHECK(*runtime::key_bytes("ctrl-p,ctrl-q") == "\x10\x11");
    CHECK(*runtime::key_bytes("a,ctrl-],ctrl-@") == std::string("a\x1d\0", 3));
    CHECK(*runtime::key_bytes("") == "");
    for (const char* bad : {"ctrl-", "ctrl-P", "ctrl-1", "ab", "ctrl-p,,x"})
        CHECK_FALSE(runtime::key_bytes(bad).ok());
}

TEST_CASE("who is attached finds terminal and input as they were when a guard is killed [root]") {
    NEED_ROOT_AND_BUSYBOX();
    for (const bool terminal : {false, true}) {
        CAPTURE(terminal);
        GuardedContainer box(
            sh("trap 'echo hup' HUP; echo ready; while read line; do echo got "
               "$line; done; echo end of input; sleep 1000"));
        if (terminal) box.config["process"]["terminal"] = true;
        box.annotate(runtime::kStdin, "open");
        box.run();
        REQUIRE(box.await_output("ready"));
        const runtime::ContainerState before = box.state();
        const auto keeper = sys::open_process(before.keeper.pid, before.keeper.start_ticks);
        REQUIRE(keeper.ok());
        REQUIRE(::kill(before.guard_pid, SIGKILL) == 0);
        REQUIRE(box.await_guard());
        REQUIRE(runtime::adopt({DAVIT_RUNTIME_PROGRAM, box.bundle(), box.run_dir()}).ok());
        CHECK(box.state().pid == before.pid);
        const Attached client(box, true);
        client.send(AttachPacket::Input, "what was typed\n");
        CHECK(box.await_output("got what was typed"));
        CHECK(box.output().find("hup") == std::string::npos);
        CHECK(box.output().find("end of input") == std::string::npos);
        REQUIRE(::kill(before.pid, SIGKILL) == 0);
        CHECK(client.all(AttachPacket::Error).empty());
        box.await_end();
        CHECK(*sys::wait_for_exit(*keeper, 10000));
        CHECK(box.leftovers() == "");
    }
}

TEST_CASE("a keeper ends with its container also where no guard is left [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"sleep", "1000"});
    box.config["process"]["terminal"] = true;
    box.run();
    const runtime::ContainerState state = box.state();
    const auto keeper = sys::open_process(state.keeper.pid, state.keeper.start_ticks);
    REQUIRE(keeper.ok());
    REQUIRE(::kill(state.guard_pid, SIGKILL) == 0);
    CHECK_FALSE(*sys::wait_for_exit(*keeper, 200));
    REQUIRE(::kill(state.pid, SIGKILL) == 0);
    CHECK(*sys::wait_for_exit(*keeper, 10000));
}
