#pragma once

#include "base/json.h"
#include "base/strings.h"
#include "base/sys.h"
#include "tests/support/sandbox.h"
#include "tests/support/text.h"
#include "tests/system/verify.h"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>
#include <string>
#include <vector>

/// What the fault tests have in common.
namespace davit::testing {

inline constexpr const char* kTwo = R"(
services:
  db: {image: local/busybox:1, command: sleep 1000, stop_signal: SIGKILL}
  web:
    image: local/busybox:1
    command: httpd -f -p 80 -h /bin
    stop_signal: SIGKILL
    restart: always
    depends_on: [db]
    ports: ["18090:80"]
)";

/// As `davit`, killed after a minute: nothing may hang (I9).
inline Outcome bounded(const Sandbox& box, std::vector<std::string> arguments) {
    Command command = box.davit_command(std::move(arguments));
    command.argv.insert(command.argv.begin(), {"timeout", "--signal=KILL", "60"});
    const Outcome outcome = run(command);
    CHECK(outcome.status != 137);
    return outcome;
}

/// I1, I2, I8; what is on its way is waited for.
inline void check_whole(const Sandbox& box) {
    std::vector<std::string> wrong;
    CHECK_MESSAGE(eventually([&] {
                      wrong = verify(box.run_root(), box.data_root());
                      return wrong.empty();
                  }),
                  fmt::format("{}", fmt::join(wrong, "\n")));
}

inline std::string pids(const Sandbox& box) {
    std::string all;
    for (const std::string& name : split(box.davit_ok({"ps", "-a", "--format", "{{.Name}}"}), '\n'))
        if (!name.empty()) all += name + "=" + box.inspect(name, "{{.State.Pid}}") + " ";
    return all;
}

/// `up` finishes what was begun, all is well after it (I1, I2), and a second one has nothing to do
/// (I4).
inline void check_goes_on(const Sandbox& box) {
    const Outcome up = bounded(box, {"up", "-d"});
    CHECK_MESSAGE(up.status == 0, up.err);
    check_whole(box);
    const std::string before = pids(box);
    CHECK(box.davit({"plan", "--detailed-exitcode"}).status == 0);
    CHECK(bounded(box, {"up", "-d"}).status == 0);
    CHECK(pids(box) == before);
}

/// `down` leaves nothing (I3).
inline void check_goes_down(const Sandbox& box, const std::string& before) {
    const Outcome down = bounded(box, {"down"});
    CHECK_MESSAGE(down.status == 0, down.err);
    CHECK_MESSAGE(eventually([&] { return box.world() == before; }), box.world());
    check_whole(box);
}

inline long long state_number(const Sandbox& box, const std::string& container, const char* key) {
    const auto state =
        read_json(box.run_root() + "/" + box.project() + "/" + container + "/state.json");
    return state ? integer_or(*state, key) : 0;
}

inline pid_t guard_of(const Sandbox& box, const std::string& container) {
    return static_cast<pid_t>(state_number(box, container, "guard_pid"));
}

inline pid_t pid_of(const Sandbox& box, const std::string& container) {
    return static_cast<pid_t>(state_number(box, container, "pid"));
}

/// Whether the container's first process runs; not where it has ended, and nobody has collected it.
inline bool lives(const Sandbox& box, const std::string& container) {
    const auto ticks = static_cast<unsigned long long>(state_number(box, container, "start_ticks"));
    return sys::is_alive(pid_of(box, container), ticks);
}

/// Kills a process, which is gone when this returns: what runs next would see it alive, else.
inline void kill_hard(pid_t pid) {
    REQUIRE(pid > 1);
    const auto process = sys::pidfd_open(pid);
    REQUIRE(process.ok());
    ::kill(pid, SIGKILL);
    pollfd end{process->get(), POLLIN, 0};
    REQUIRE(::poll(&end, 1, 10000) == 1);
}

}  // namespace davit::testing
