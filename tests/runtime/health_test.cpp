#include "runtime/health.h"

#include <doctest/doctest.h>

// Docker's rules of health checks, as values.
using namespace davit::runtime;
using std::chrono::microseconds;
using std::chrono::seconds;

namespace {

HealthCheck three_tries() {
    HealthCheck check;
    check.test = {"CMD", "true"};
    check.args = {"true"};
    check.start_period = seconds(10);
    check.start_interval = seconds(1);
    check.interval = seconds(30);
    check.retries = 3;
    return check;
}

void fail(Health& health, const HealthCheck& check, microseconds at, int times = 1) {
    for (int i = 0; i < times; ++i) take_result(health, check, {.exit_code = 1}, at);
}

}  // namespace

TEST_CASE("failures in the start period don't count") {
    const HealthCheck check = three_tries();
    Health health;
    fail(health, check, seconds(9), 5);
    CHECK(health.status == HealthStatus::Starting);
    CHECK(health.failing_streak == 0);
    fail(health, check, seconds(10), 2);
    CHECK(health.status == HealthStatus::Starting);
    fail(health, check, seconds(11));
    CHECK(health.status == HealthStatus::Unhealthy);
    CHECK(health.failing_streak == 3);
}

TEST_CASE("one success makes it healthy, and ends what the start period forgives") {
    const HealthCheck check = three_tries();
    Health health;
    take_result(health, check, {.exit_code = 0}, seconds(1));
    CHECK(health.status == HealthStatus::Healthy);
    fail(health, check, seconds(2), 2);
    CHECK(health.status == HealthStatus::Healthy);
    CHECK(health.failing_streak == 2);
    fail(health, check, seconds(3));
    CHECK(health.status == HealthStatus::Unhealthy);
    take_result(health, check, {.exit_code = 0}, seconds(4));
    CHECK(health.status == HealthStatus::Healthy);
    CHECK(health.failing_streak == 0);
}

TEST_CASE("the last five results are kept") {
    const HealthCheck check = three_tries();
    Health health;
    for (int i = 0; i < 8; ++i)
        take_result(health, check, {.exit_code = i, .output = std::to_string(i)}, seconds(i));
    REQUIRE(health.log.size() == 5);
    CHECK(health.log.front().output == "3");
    CHECK(health.log.back().output == "7");
}

TEST_CASE("probes come quicker while it starts") {
    const HealthCheck check = three_tries();
    Health health;
    CHECK(next_probe(check, health, seconds(0)) == seconds(1));
    CHECK(next_probe(check, health, seconds(10)) == seconds(30));
    health.status = HealthStatus::Healthy;
    CHECK(next_probe(check, health, seconds(1)) == seconds(30));
}

TEST_CASE("health and its check survive being written down") {
    const HealthCheck check = three_tries();
    const davit::Result<HealthCheck> read = health_check_of(to_json(check));
    REQUIRE(read);
    CHECK(*read == check);
    Health health;
    take_result(health, check, {"then", "later", 1, "no\n"}, seconds(20));
    const Health again = health_of(to_json(health));
    CHECK(again.failing_streak == 1);
    REQUIRE(again.log.size() == 1);
    CHECK(again.log[0].output == "no\n");
    CHECK(again.log[0].exit_code == 1);
    CHECK(!health_check_of(davit::Json::object()));
    davit::Json empty = to_json(check);
    empty["args"] = davit::Json::array();
    CHECK(!health_check_of(empty));
}
