#include "compose/life_plan.h"

#include <doctest/doctest.h>

using namespace davit::compose;

namespace {

/// web needs db; both run unless said otherwise.
ObservedState shop(bool web_runs = true, bool db_runs = true) {
    ObservedState state;
    state.containers["shop-db-1"].running = db_runs;
    state.containers["shop-web-1"].running = web_runs;
    state.containers["shop-web-1"].needs = {"shop-db-1"};
    return state;
}

const ContainerNames kBoth = {"shop-db-1", "shop-web-1"};

}  // namespace

TEST_CASE("stop goes against the dependencies and start along them") {
    CHECK(to_string(plan_stop(shop(), kBoth)) ==
          "[] -> #0 container:shop-web-1 StopContainer (asked for by stop)\n"
          "[0] -> #1 container:shop-db-1 StopContainer (asked for by stop)\n");
    CHECK(to_string(plan_start(shop(false, false), kBoth)) ==
          "[] -> #0 container:shop-db-1 StartContainer (not running)\n"
          "[0] -> #1 container:shop-web-1 StartContainer (not running)\n");
}

TEST_CASE("what runs is not started and what is not named is left alone") {
    CHECK(plan_start(shop(), kBoth).empty());
    CHECK(to_string(plan_start(shop(false), kBoth)) ==
          "[] -> #0 container:shop-web-1 StartContainer (not running)\n");
    CHECK(plan_stop(shop(), {}).empty());
    CHECK(plan_stop(shop(), {"shop-gone-1"}).empty());
}

TEST_CASE("restart stops all of them before the first comes back") {
    CHECK(to_string(plan_restart(shop(), kBoth, true)) ==
          "[] -> #0 container:shop-web-1 StopContainer (asked for by restart)\n"
          "[0] -> #1 container:shop-db-1 StopContainer (asked for by restart)\n"
          "[1] -> #2 container:shop-db-1 StartContainer (asked for by restart)\n"
          "[0,2] -> #3 container:shop-web-1 StartContainer (asked for by restart)\n");
}

TEST_CASE("rm takes what rests and with stop also what runs") {
    CHECK(to_string(plan_remove(shop(false), kBoth, false)) ==
          "[] -> #0 container:shop-web-1 RemoveContainer (asked for by rm)\n");
    CHECK(to_string(plan_remove(shop(), {"shop-db-1"}, true)) ==
          "[] -> #0 container:shop-db-1 StopContainer (asked for by rm)\n"
          "[0] -> #1 container:shop-db-1 RemoveContainer (asked for by rm)\n");
    CHECK(plan_remove(shop(), kBoth, false).empty());
}

TEST_CASE("start restarts who shares the network of one that is started") {
    ObservedState state = shop(true, false);
    state.containers["shop-web-1"].network_of = "shop-db-1";
    CHECK(to_string(plan_start(state, {"shop-db-1"})) ==
          "[] -> #0 container:shop-web-1 StopContainer (the network that it shares is made anew)\n"
          "[] -> #1 container:shop-db-1 StartContainer (not running)\n"
          "[0,1] -> #2 container:shop-web-1 StartContainer (not running)\n");
}

TEST_CASE("restart takes along what depends_on.restart ties to it") {
    ObservedState state = shop();
    state.containers["shop-web-1"].gates = {{"shop-db-1", Awaited::Healthy, true, true}};
    CHECK(to_string(plan_restart(state, {"shop-db-1"}, true)) ==
          "[] -> #0 container:shop-web-1 StopContainer (asked for by restart)\n"
          "[0] -> #1 container:shop-db-1 StopContainer (asked for by restart)\n"
          "[1] -> #2 container:shop-db-1 StartContainer (asked for by restart)\n"
          "[2] -> #3 container:shop-db-1 AwaitContainer ('shop-web-1' waits for it to be healthy)\n"
          "[0,2,3] -> #4 container:shop-web-1 StartContainer (asked for by restart)\n");
    CHECK(to_string(plan_restart(state, {"shop-db-1"}, false)) ==
          "[] -> #0 container:shop-db-1 StopContainer (asked for by restart)\n"
          "[0] -> #1 container:shop-db-1 StartContainer (asked for by restart)\n");
}
