#include "runtime/log_forward.h"

#include "tests/runtime/guarded_container.h"

#include <sys/socket.h>
#include <sys/un.h>

// Lines of a container as datagrams for journald and syslog.

using namespace davit;
using namespace davit::runtime;
using davit::testing::GuardedContainer;
using davit::testing::TempDir;

namespace {

constexpr auto kThen = std::chrono::system_clock::time_point{std::chrono::seconds(1767322805)};

/// A socket that takes datagrams, as a log daemon has it.
class Receiver {
public:
    explicit Receiver(const std::string& path) {
        socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address),
                       sizeof address) == 0);
        timeval limit{20, 0};
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    std::string next() const {
        std::string text(65536, '\0');
        const ssize_t got = ::recv(socket_.get(), text.data(), text.size(), 0);
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }

private:
    UniqueFd socket_;
};

}  // namespace

TEST_CASE("a line for the journal has its fields") {
    LogTarget target;
    target.kind = LogTarget::Kind::Journald;
    target.tag = "web";
    target.fields = {{"CONTAINER_NAME", "shop-web-1"}};
    CHECK(log_datagram(target, LogFile::Stream::Stderr, "oh", kThen) ==
          "MESSAGE=oh\nPRIORITY=3\nSYSLOG_IDENTIFIER=web\nCONTAINER_TAG=web\n"
          "CONTAINER_NAME=shop-web-1\n");
    const std::string broken = log_datagram(target, LogFile::Stream::Stdout, "a\nb", kThen);
    CHECK(broken.starts_with(std::string("MESSAGE\n\x03\0\0\0\0\0\0\0a\nb\nPRIORITY=6\n", 31)));
}

TEST_CASE("a line for syslog has the form of its standard") {
    LogTarget target;
    target.tag = "web";
    const std::string pid = std::to_string(::getpid());
    const std::string plain = log_datagram(target, LogFile::Stream::Stdout, "hi", kThen);
    CHECK(plain.starts_with("<30>Jan  "));
    CHECK(plain.ends_with(" web[" + pid + "]: hi"));
    target.rfc5424 = true;
    target.facility = 16;
    target.hostname = "here";
    CHECK(log_datagram(target, LogFile::Stream::Stderr, "hi", kThen) ==
          "<131>1 2026-01-02T03:00:05.000000000Z here web " + pid + " - - hi");
}

TEST_CASE("a target survives being written down") {
    LogTarget target;
    target.kind = LogTarget::Kind::Journald;
    target.address = "/x";
    target.fields = {{"A", "b"}};
    const Result<LogTarget> read = log_target_of(to_json(target));
    REQUIRE(read);
    CHECK(read->kind == LogTarget::Kind::Journald);
    CHECK(read->address == "/x");
    CHECK(read->fields == target.fields);
    CHECK(!log_target_of(Json::object()));
}

TEST_CASE("lines are sent whole and never waited for") {
    const TempDir dir;
    const std::string path = dir / "log";
    LogTarget target;
    target.address = path;
    target.tag = "t";
    CHECK(!LogForwarder::open(target));
    target.address = "nowhere:99999";
    CHECK(!LogForwarder::open(target));
    target.address = path;
    const Receiver receiver(path);
    Result<LogForwarder> forwarder = LogForwarder::open(target);
    REQUIRE(forwarder);
    forwarder->append(LogFile::Stream::Stdout, "one\ntw", kThen);
    forwarder->append(LogFile::Stream::Stdout, "o\n\nthree", kThen);
    forwarder->flush(kThen);
    CHECK(receiver.next().ends_with(": one"));
    CHECK(receiver.next().ends_with(": two"));
    CHECK(receiver.next().ends_with(": three"));
    // Nobody reads: what doesn't fit is lost, and said as soon as there is room.
    for (int i = 0; i < 5000; ++i) forwarder->append(LogFile::Stream::Stdout, "again\n", kThen);
    for (int i = 0; i < 5; ++i) CHECK(receiver.next().ends_with(": again"));
    forwarder->append(LogFile::Stream::Stdout, "more\n", kThen);
    std::string text = receiver.next();
    while (text.ends_with(": again")) text = receiver.next();
    CHECK(text.find("lines could not be sent and are lost") != std::string::npos);
    CHECK(receiver.next().ends_with(": more"));
}

TEST_CASE("a container's lines reach the log daemon and the log file [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"sh", "-c", "echo to both"});
    LogTarget target;
    target.address = box.path("sock");
    target.tag = "box";
    const Receiver receiver(target.address);
    box.annotate(kLogTarget, to_json(target).dump());
    CHECK(box.run_to_end().exit_code == 0);
    CHECK(receiver.next().ends_with("]: to both"));
    CHECK(box.output() == "to both\n");
}
