#include "runtime/restart_policy.h"

#include <doctest/doctest.h>
#include <string>

using namespace davit;
using namespace davit::runtime;
using std::chrono::milliseconds;

TEST_CASE("the restart policy decides by exit code and attempts and who ended it") {
    struct Case {
        const char* policy;
        EndedRun run;
        bool restart;
    };
    const Case cases[] = {
        {"no", {1, 0, false}, false},
        {"", {1, 0, false}, false},
        {"always", {0, 0, false}, true},
        {"always", {1, 999, false}, true},
        {"always", {137, 0, true}, false},
        {"unless-stopped", {0, 5, false}, true},
        {"unless-stopped", {0, 5, true}, false},
        {"on-failure", {0, 0, false}, false},
        {"on-failure", {1, 999, false}, true},
        {"on-failure", {1, 0, true}, false},
        {"on-failure:2", {1, 0, false}, true},
        {"on-failure:2", {1, 1, false}, true},
        {"on-failure:2", {1, 2, false}, false},
        {"on-failure:0", {1, 50, false}, true},
    };
    for (const Case& c : cases) {
        const auto policy = parse_restart_policy(c.policy);
        REQUIRE_MESSAGE(policy.ok(), c.policy);
        CHECK_MESSAGE(wants_restart(*policy, c.run) == c.restart,
                      c.policy << " exit " << c.run.exit_code << " restarts " << c.run.restarts);
    }
}

TEST_CASE("an unknown restart policy is refused") {
    for (const char* text : {"sometimes", "on-failure:", "on-failure:-1", "on-failure:x", "Always",
                             "on-failure:99999999999", "no "}) {
        const auto policy = parse_restart_policy(text);
        REQUIRE_MESSAGE(!policy.ok(), text);
        CHECK(policy.error().to_string() == "unknown restart policy '" + std::string(text) + "'");
    }
}

TEST_CASE("pauses double up to a minute and begin anew after a long run") {
    milliseconds pause(0);
    const int expected[] = {100,  200,   400,   800,   1600,  3200,
                            6400, 12800, 25600, 51200, 60000, 60000};
    for (const int want : expected) {
        pause = next_pause(pause, milliseconds(5));
        CHECK(pause.count() == want);
    }
    CHECK(next_pause(pause, milliseconds(9999)).count() == 60000);
    CHECK(next_pause(pause, milliseconds(10000)).count() == 100);
}
