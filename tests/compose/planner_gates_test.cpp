#include "compose/planner.h"

#include <doctest/doctest.h>

// Conditions of dependencies, several containers of a service, and what `up` may be told.
namespace davit::compose {
namespace {

DesiredContainer container(const std::string& service, std::vector<Gate> gates = {}) {
    DesiredContainer wanted;
    wanted.service = service;
    wanted.config.image = "x:1";
    wanted.config_hash = "h";
    for (const Gate& gate : gates) wanted.needs.push_back(gate.container);
    wanted.gates = std::move(gates);
    return wanted;
}

/// web waits for db to be healthy and for job to complete; it is restarted with db.
DesiredState shop() {
    DesiredState desired;
    desired.project = "shop";
    desired.services = {"db", "job", "web"};
    desired.containers["shop-db-1"] = container("db");
    desired.containers["shop-job-1"] = container("job");
    desired.containers["shop-web-1"] =
        container("web", {{"shop-db-1", Awaited::Healthy, true, true},
                          {"shop-job-1", Awaited::Completed, false, false}});
    return desired;
}

ObservedContainer there(const std::string& service, int number = 1) {
    ObservedContainer found;
    found.service = service;
    found.config_hash = "h";
    found.number = number;
    found.running = true;
    return found;
}

ObservedState running() {
    ObservedState observed;
    observed.containers["shop-db-1"] = there("db");
    observed.containers["shop-db-1"].healthy = true;
    observed.containers["shop-job-1"] = there("job");
    observed.containers["shop-job-1"].running = false;
    observed.containers["shop-job-1"].completed = true;
    observed.containers["shop-web-1"] = there("web");
    return observed;
}

std::string up(const DesiredState& desired, const ObservedState& observed,
               const UpOptions& options = {}) {
    return to_string(plan_up(desired, observed, options, SourceMap()));
}

}  // namespace

TEST_CASE("what is waited for stands between the starts") {
    const Plan plan = plan_up(shop(), {}, {}, SourceMap());
    CHECK(to_string(plan) ==
          "[] -> #0 container:shop-db-1 CreateContainer (not there yet)\n"
          "[0] -> #1 container:shop-db-1 StartContainer (not there yet)\n"
          "[] -> #2 container:shop-job-1 CreateContainer (not there yet)\n"
          "[2] -> #3 container:shop-job-1 StartContainer (not there yet)\n"
          "[] -> #4 container:shop-web-1 CreateContainer (not there yet)\n"
          "[1] -> #5 container:shop-db-1 AwaitContainer (service 'web' waits for it to be "
          "healthy)\n"
          "[3] -> #6 container:shop-job-1 AwaitContainer (service 'web' waits for it to "
          "complete)\n"
          "[1,3,4,5,6] -> #7 container:shop-web-1 StartContainer (not there yet)\n");
    CHECK_FALSE(plan.steps[5].optional);
    CHECK(plan.steps[6].optional);
}

TEST_CASE("a project whose conditions hold needs nothing") {
    CHECK(up(shop(), running()).empty());
    ObservedState ill = running();
    ill.containers["shop-db-1"].healthy = false;
    CHECK(up(shop(), ill).empty());  // web runs already: there is nobody to wait
    ill.containers["shop-web-1"].running = false;
    CHECK(up(shop(), ill) ==
          "[] -> #0 container:shop-db-1 AwaitContainer (service 'web' waits for it to be "
          "healthy)\n"
          "[0] -> #1 container:shop-web-1 StartContainer (not running)\n");
}

TEST_CASE("one that is restarted along stops before and starts after what is made anew") {
    ObservedState changed = running();
    changed.containers["shop-db-1"].config_hash = "other";
    changed.containers["shop-web-1"].needs = {"shop-db-1"};
    CHECK(up(shop(), changed) ==
          "[] -> #0 container:shop-web-1 StopContainer ('shop-db-1' is restarted)\n"
          "[0] -> #1 container:shop-db-1 StopContainer (configuration changed)\n"
          "[1] -> #2 container:shop-db-1 RemoveContainer (configuration changed)\n"
          "[2] -> #3 container:shop-db-1 CreateContainer (configuration changed)\n"
          "[3] -> #4 container:shop-db-1 StartContainer (configuration changed)\n"
          "[4] -> #5 container:shop-db-1 AwaitContainer (service 'web' waits for it to be "
          "healthy)\n"
          "[0,4,5] -> #6 container:shop-web-1 StartContainer ('shop-db-1' is restarted)\n");
    CHECK(up(shop(), changed, {.no_recreate = true}).empty());
}

TEST_CASE("fewer containers of a service means that the highest numbers go") {
    DesiredState desired;
    desired.services = {"a"};
    desired.containers["shop-a-1"] = container("a");
    ObservedState observed;
    observed.containers["shop-a-1"] = there("a", 1);
    observed.containers["shop-a-2"] = there("a", 2);
    observed.containers["shop-a-run-1"] = there("a");
    observed.containers["shop-a-run-1"].one_off = true;
    CHECK(up(desired, observed) ==
          "[] -> #0 container:shop-a-2 StopContainer (scaled to 1)\n"
          "[0] -> #1 container:shop-a-2 RemoveContainer (scaled to 1)\n");
    desired.containers.clear();
    CHECK(up(desired, observed) ==
          "[] -> #0 container:shop-a-2 StopContainer (scaled to 0)\n"
          "[0] -> #1 container:shop-a-2 RemoveContainer (scaled to 0)\n"
          "[] -> #2 container:shop-a-1 StopContainer (scaled to 0)\n"
          "[2] -> #3 container:shop-a-1 RemoveContainer (scaled to 0)\n");
}

TEST_CASE("up can be told to leave dependencies alone or to make them anew") {
    CHECK(up(shop(), {}, {.services = {"web"}, .no_deps = true}) ==
          "[] -> #0 container:shop-web-1 CreateContainer (not there yet)\n"
          "[0] -> #1 container:shop-web-1 StartContainer (not there yet)\n");
    const std::string anew =
        up(shop(), running(), {.services = {"web"}, .always_recreate_deps = true});
    CHECK(anew.find("shop-db-1 RemoveContainer (asked for by --always-recreate-deps)") !=
          std::string::npos);
    CHECK(anew.find("shop-web-1 RemoveContainer") == std::string::npos);
}

}  // namespace davit::compose
