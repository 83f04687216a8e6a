#include "runtime/protocol.h"

#include "base/file.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>

using namespace davit;
using namespace davit::runtime;
using davit::testing::TempDir;

TEST_CASE("an error travels as a packet and reads as if it had happened here") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    const UniqueFd guard(ends[0]);
    const UniqueFd davit(ends[1]);
    Error sent = Error::from_errno(ENOENT, "execve(2)").doing("execute '{}'", "/x").help("look");
    REQUIRE(send_packet(guard, error_answer(sent)).ok());
    const auto answer = receive_packet(davit);
    REQUIRE(answer.ok());
    const auto result = as_result(*answer);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().kind() == ErrorKind::NotFound);
    CHECK(result.error().to_string() == sent.to_string());
    CHECK(result.error().help() == "look");
    CHECK(as_result(ok_answer()).ok());
}

TEST_CASE("answers that are no answers are refusals and not exceptions") {
    for (const char* text : {"{}", "[]", "5", R"({"ok":"yes"})", R"({"ok":false,"message":7})"}) {
        const auto json = parse_json(text, "test");
        REQUIRE(json.ok());
        CHECK_MESSAGE(!as_result(*json).ok(), text);
    }
}

TEST_CASE("text that is not UTF-8 still makes a packet") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    const UniqueFd one(ends[0]);
    const UniqueFd two(ends[1]);
    REQUIRE(send_packet(one, {{"message", "\xff\xfe"}}).ok());
    CHECK(receive_packet(two).ok());
}

TEST_CASE("the end of the other side is told apart from a broken packet") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    const UniqueFd one(ends[0]);
    UniqueFd two(ends[1]);
    REQUIRE(::send(two.get(), "{\"a\":", 5, 0) == 5);
    const auto broken = receive_packet(one);
    REQUIRE_FALSE(broken.ok());
    CHECK(broken.error().kind() == ErrorKind::InvalidInput);
    two.reset();
    const auto gone = receive_packet(one);
    REQUIRE_FALSE(gone.ok());
    CHECK(gone.error().kind() == ErrorKind::NotFound);
    CHECK_FALSE(send_packet(one, ok_answer()).ok());  // and no SIGPIPE
}

TEST_CASE("the control socket is root's alone and works in a folder of any depth") {
    const TempDir dir;
    std::string folder = dir.path();
    for (int i = 0; i < 6; ++i) folder += "/" + std::string(40, 'x');
    REQUIRE(make_directories(folder, 0700).ok());
    const auto nobody = connect_control(folder);
    REQUIRE_FALSE(nobody.ok());
    CHECK(nobody.error().kind() == ErrorKind::NotFound);
    CHECK(nobody.error().to_string() == "its guard does not run");

    auto listener = listen_control(folder);
    REQUIRE(listener.ok());
    struct stat info {};
    REQUIRE(::stat((folder + "/control.sock").c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0600);
    const auto socket = connect_control(folder);
    REQUIRE(socket.ok());
    const UniqueFd accepted(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(send_packet(*socket, {{"op", "start"}}).ok());
    CHECK(receive_packet(accepted)->at("op") == "start");

    listener->reset();  // a socket that nobody listens on any more
    const auto dead = connect_control(folder);
    REQUIRE_FALSE(dead.ok());
    CHECK(dead.error().kind() == ErrorKind::NotFound);
    CHECK(listen_control(folder).ok());  // a second guard takes its place
}

TEST_CASE("a peer that says nothing is waited for only so long") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    const UniqueFd silent(ends[0]);
    const UniqueFd davit(ends[1]);
    const auto answer = receive_packet_within(davit, std::chrono::milliseconds(10));
    REQUIRE_FALSE(answer.ok());
    CHECK(answer.error().kind() == ErrorKind::TimedOut);
    REQUIRE(send_packet(silent, ok_answer()).ok());
    CHECK(receive_packet_within(davit, std::chrono::seconds(10)).ok());
}
