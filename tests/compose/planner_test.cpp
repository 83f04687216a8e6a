#include "compose/planner.h"

#include "compose/dependency_order.h"
#include "compose/yaml_reader.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

namespace davit::compose {
namespace {

DesiredContainer container(const std::string& service, std::vector<std::string> needs = {}) {
    DesiredContainer wanted;
    wanted.service = service;
    wanted.config.name = service;
    wanted.config.image = service + ":1";
    wanted.config_hash = "h";
    wanted.networks = {"shop_default"};
    wanted.needs = std::move(needs);
    return wanted;
}

/// web needs db; db keeps its data in a volume.
DesiredState shop() {
    DesiredState desired;
    desired.project = "shop";
    desired.networks["shop_default"] = {"default", {.name = "shop_default"}, "n"};
    desired.volumes["shop_data"] = {"data", {"shop_data", false, {}}};
    desired.containers["shop-web-1"] = container("web", {"shop-db-1"});
    desired.containers["shop-db-1"] = container("db");
    desired.containers["shop-db-1"].volumes = {"shop_data"};
    desired.inactive = {"debug"};
    return desired;
}

ObservedContainer there(const std::string& service, std::vector<std::string> needs = {}) {
    ObservedContainer found;
    found.service = service;
    found.config_hash = "h";
    found.image_id = "i";
    found.running = true;
    found.networks = {"shop_default"};
    found.needs = std::move(needs);
    return found;
}

ObservedState running_shop() {
    ObservedState observed;
    observed.networks["shop_default"] = {"n", true};
    observed.volumes = {"shop_data"};
    observed.containers["shop-web-1"] = there("web", {"shop-db-1"});
    observed.containers["shop-db-1"] = there("db");
    observed.image_ids = {{"web:1", "i"}, {"db:1", "i"}};
    return observed;
}

template <typename Change>
ObservedState with(ObservedState observed, Change change) {
    change(observed);
    return observed;
}
template <typename Change>
DesiredState wanting(DesiredState desired, Change change) {
    change(desired);
    return desired;
}

std::string up(const DesiredState& desired, const ObservedState& observed,
               const UpOptions& options = {}) {
    const Plan plan = plan_up(desired, observed, options, SourceMap());
    std::string text = to_string(plan);
    for (const std::string& warning : plan.warnings) text += "warning: " + warning + "\n";
    for (StepId id = 0; id < plan.steps.size(); ++id) {
        for (const StepId before : plan.steps[id].after) CHECK(before < id);
    }
    CHECK(plan.steps == plan_up(desired, observed, options, SourceMap()).steps);
    return text;
}

}  // namespace

TEST_CASE("plan_up from nothing and from what runs") {
    struct Case {
        const char* name;
        ObservedState observed;
        UpOptions options;
        const char* plan;
    };
    const Case cases[] = {
        {"a stack that runs as described needs nothing", running_shop(), {}, ""},
        {"everything is made in order",
         {},
         {},
         "[] -> #0 network:shop_default CreateNetwork (not there yet)\n"
         "[] -> #1 volume:shop_data CreateVolume (not there yet)\n"
         "[0,1] -> #2 container:shop-db-1 CreateContainer (not there yet)\n"
         "[2] -> #3 container:shop-db-1 StartContainer (not there yet)\n"
         "[0] -> #4 container:shop-web-1 CreateContainer (not there yet)\n"
         "[3,4] -> #5 container:shop-web-1 StartContainer (not there yet)\n"},
        {"create makes and does not start",
         {},
         {.no_start = true},
         "[] -> #0 network:shop_default CreateNetwork (not there yet)\n"
         "[] -> #1 volume:shop_data CreateVolume (not there yet)\n"
         "[0,1] -> #2 container:shop-db-1 CreateContainer (not there yet)\n"
         "[0] -> #3 container:shop-web-1 CreateContainer (not there yet)\n"},
        {"one service without dependents",
         {},
         {.services = {"db"}},
         "[] -> #0 network:shop_default CreateNetwork (not there yet)\n"
         "[] -> #1 volume:shop_data CreateVolume (not there yet)\n"
         "[0,1] -> #2 container:shop-db-1 CreateContainer (not there yet)\n"
         "[2] -> #3 container:shop-db-1 StartContainer (not there yet)\n"},
        {"a service brings what it depends on",
         with(running_shop(), [](ObservedState& o) { o.containers.clear(); }),
         {.services = {"web"}},
         "[] -> #0 container:shop-db-1 CreateContainer (not there yet)\n"
         "[0] -> #1 container:shop-db-1 StartContainer (not there yet)\n"
         "[] -> #2 container:shop-web-1 CreateContainer (not there yet)\n"
         "[1,2] -> #3 container:shop-web-1 StartContainer (not there yet)\n"},
        {"an unknown service is named",
         running_shop(),
         {.services = {"wbe"}},
         "warning: there is no service 'wbe'\n"},
        {"a stopped container is started and not made anew",
         with(running_shop(), [](ObservedState& o) { o.containers["shop-web-1"].running = false; }),
         {},
         "[] -> #0 container:shop-web-1 StartContainer (not running)\n"},
        {"stopped containers start in order",
         with(running_shop(),
              [](ObservedState& o) {
                  o.containers["shop-web-1"].running = false;
                  o.containers["shop-db-1"].running = false;
              }),
         {},
         "[] -> #0 container:shop-db-1 StartContainer (not running)\n"
         "[0] -> #1 container:shop-web-1 StartContainer (not running)\n"},
        {"a changed configuration makes one container anew and leaves its dependents",
         with(running_shop(),
              [](ObservedState& o) { o.containers["shop-db-1"].config_hash = "old"; }),
         {},
         "[] -> #0 container:shop-db-1 StopContainer (configuration changed)\n"
         "[0] -> #1 container:shop-db-1 RemoveContainer (configuration changed)\n"
         "[1] -> #2 container:shop-db-1 CreateContainer (configuration changed)\n"
         "[2] -> #3 container:shop-db-1 StartContainer (configuration changed)\n"},
        {"a changed image makes a container anew",
         with(running_shop(), [](ObservedState& o) { o.image_ids["web:1"] = "new"; }),
         {},
         "[] -> #0 container:shop-web-1 StopContainer (image changed)\n"
         "[0] -> #1 container:shop-web-1 RemoveContainer (image changed)\n"
         "[1] -> #2 container:shop-web-1 CreateContainer (image changed)\n"
         "[2] -> #3 container:shop-web-1 StartContainer (image changed)\n"},
        {"an image that the store does not have changes nothing",
         with(running_shop(), [](ObservedState& o) { o.image_ids.clear(); }),
         {},
         ""},
        {"forced for one service only",
         running_shop(),
         {.force_recreate = true, .services = {"web"}},
         "[] -> #0 container:shop-web-1 StopContainer (asked for by --force-recreate)\n"
         "[0] -> #1 container:shop-web-1 RemoveContainer (asked for by --force-recreate)\n"
         "[1] -> #2 container:shop-web-1 CreateContainer (asked for by --force-recreate)\n"
         "[2] -> #3 container:shop-web-1 StartContainer (asked for by --force-recreate)\n"},
        {"forced for all stops dependents first",
         running_shop(),
         {.force_recreate = true},
         "[] -> #0 container:shop-web-1 StopContainer (asked for by --force-recreate)\n"
         "[0] -> #1 container:shop-web-1 RemoveContainer (asked for by --force-recreate)\n"
         "[0] -> #2 container:shop-db-1 StopContainer (asked for by --force-recreate)\n"
         "[2] -> #3 container:shop-db-1 RemoveContainer (asked for by --force-recreate)\n"
         "[3] -> #4 container:shop-db-1 CreateContainer (asked for by --force-recreate)\n"
         "[4] -> #5 container:shop-db-1 StartContainer (asked for by --force-recreate)\n"
         "[1] -> #6 container:shop-web-1 CreateContainer (asked for by --force-recreate)\n"
         "[5,6] -> #7 container:shop-web-1 StartContainer (asked for by --force-recreate)\n"},
    };
    for (const Case& c : cases) {
        SUBCASE(c.name) { CHECK(up(shop(), c.observed, c.options) == c.plan); }
    }
}

TEST_CASE("plan_up with networks that are gone or changed") {
    struct Case {
        const char* name;
        ObservedState observed;
        UpOptions options;
        const char* plan;
    };
    const ObservedState rebooted = with(running_shop(), [](ObservedState& o) {
        o.networks["shop_default"].in_kernel = false;
        for (auto& [name, found] : o.containers) found.running = false;
    });
    const ObservedState changed = with(
        running_shop(), [](ObservedState& o) { o.networks["shop_default"].config_hash = "old"; });
    const ObservedState with_orphan =
        with(changed, [](ObservedState& o) { o.containers["shop-old-1"] = there("old"); });
    constexpr const char* kChanged =
        "[] -> #0 container:shop-web-1 StopContainer (network 'shop_default' changed)\n"
        "[0] -> #1 container:shop-web-1 RemoveContainer (network 'shop_default' changed)\n"
        "[0] -> #2 container:shop-db-1 StopContainer (network 'shop_default' changed)\n"
        "[2] -> #3 container:shop-db-1 RemoveContainer (network 'shop_default' changed)\n"
        "[1,3] -> #4 network:shop_default RemoveNetwork (configuration changed)\n"
        "[4] -> #5 network:shop_default CreateNetwork (configuration changed)\n"
        "[3,5] -> #6 container:shop-db-1 CreateContainer (network 'shop_default' changed)\n"
        "[6] -> #7 container:shop-db-1 StartContainer (network 'shop_default' changed)\n"
        "[1,5] -> #8 container:shop-web-1 CreateContainer (network 'shop_default' changed)\n"
        "[7,8] -> #9 container:shop-web-1 StartContainer (network 'shop_default' changed)\n";
    const Case cases[] = {
        {"after a reboot",
         rebooted,
         {},
         "[] -> #0 network:shop_default CreateNetwork (its bridge is gone, as after a reboot)\n"
         "[0] -> #1 container:shop-db-1 StartContainer (not running)\n"
         "[0,1] -> #2 container:shop-web-1 StartContainer (not running)\n"},
        {"a bridge that went away under a running container",
         with(rebooted, [](ObservedState& o) { o.containers["shop-db-1"].running = true; }),
         {.services = {"db"}},
         "[] -> #0 container:shop-db-1 StopContainer (network 'shop_default' is made again)\n"
         "[] -> #1 network:shop_default CreateNetwork (its bridge is gone, as after a reboot)\n"
         "[0,1] -> #2 container:shop-db-1 StartContainer (network 'shop_default' is made again)\n"},
        {"a changed network is made anew with all that is on it", changed, {}, kChanged},
        {"also what was not asked for", changed, {.services = {"db"}}, kChanged},
        {"an orphan keeps a changed network as it is",
         with_orphan,
         {},
         "warning: found orphan containers ([shop-old-1]) for this project; if you removed or "
         "renamed this service in your compose file, you can run this command with the "
         "--remove-orphans flag to clean it up\n"
         "warning: network 'shop_default' differs from the file and stays as it is, because the "
         "orphan containers ([shop-old-1]) are on it; run this command with the --remove-orphans "
         "flag to make it anew\n"},
        {"a container whose service takes no part stays as it is",
         with(running_shop(),
              [](ObservedState& o) { o.containers["shop-debug-1"] = there("debug"); }),
         {.remove_orphans = true},
         ""},
        {"and keeps a changed network as it is",
         with(changed, [](ObservedState& o) { o.containers["shop-debug-1"] = there("debug"); }),
         {},
         "warning: network 'shop_default' differs from the file and stays as it is, because "
         "containers of services whose profiles are not active ([shop-debug-1]) are on it; "
         "activate them with --profile to make it anew\n"},
        {"an orphan that goes makes way",
         with(with_orphan,
              [](ObservedState& o) {
                  o.containers.erase("shop-web-1");
                  o.containers.erase("shop-db-1");
              }),
         {.remove_orphans = true, .services = {"db"}},
         "[] -> #0 container:shop-old-1 StopContainer (no longer in the file)\n"
         "[0] -> #1 container:shop-old-1 RemoveContainer (no longer in the file)\n"
         "[1] -> #2 network:shop_default RemoveNetwork (configuration changed)\n"
         "[2] -> #3 network:shop_default CreateNetwork (configuration changed)\n"
         "[3] -> #4 container:shop-db-1 CreateContainer (not there yet)\n"
         "[4] -> #5 container:shop-db-1 StartContainer (not there yet)\n"},
    };
    for (const Case& c : cases) {
        SUBCASE(c.name) { CHECK(up(shop(), c.observed, c.options) == c.plan); }
    }
}

TEST_CASE("plan_up with a container that shares the network of another") {
    const DesiredState sharing = wanting(shop(), [](DesiredState& desired) {
        DesiredContainer& web = desired.containers["shop-web-1"];
        web.config.network_mode = "service:db";
        web.networks.clear();
        web.gates = {{"shop-db-1", Awaited::Started, true, true}};
    });
    const ObservedState observed = with(running_shop(), [](ObservedState& state) {
        state.containers["shop-web-1"].networks.clear();
        state.containers["shop-web-1"].network_of = "shop-db-1";
    });
    CHECK(up(sharing, observed).empty());
    // Whose network it is, is made anew: so is this one, asked for or not.
    CHECK(
        up(sharing,
           with(observed,
                [](ObservedState& state) { state.containers["shop-db-1"].image_id = "old"; }),
           {.services = {"db"}}) ==
        "[] -> #0 container:shop-web-1 StopContainer ('shop-db-1', which it joins, is made anew)\n"
        "[0] -> #1 container:shop-web-1 RemoveContainer ('shop-db-1', which it joins, is made "
        "anew)\n"
        "[0] -> #2 container:shop-db-1 StopContainer (image changed)\n"
        "[2] -> #3 container:shop-db-1 RemoveContainer (image changed)\n"
        "[3] -> #4 container:shop-db-1 CreateContainer (image changed)\n"
        "[4] -> #5 container:shop-db-1 StartContainer (image changed)\n"
        "[1] -> #6 container:shop-web-1 CreateContainer ('shop-db-1', which it joins, is made "
        "anew)\n"
        "[5,6] -> #7 container:shop-web-1 StartContainer ('shop-db-1', which it joins, is made "
        "anew)\n");
    // It rests: this one has the network of its last run, and comes along.
    CHECK(up(sharing,
             with(observed,
                  [](ObservedState& state) { state.containers["shop-db-1"].running = false; })) ==
          "[] -> #0 container:shop-web-1 StopContainer ('shop-db-1', which it joins, is started)\n"
          "[] -> #1 container:shop-db-1 StartContainer (not running)\n"
          "[0,1] -> #2 container:shop-web-1 StartContainer ('shop-db-1', which it joins, is "
          "started)\n");
    CHECK(up(sharing, with(observed,
                           [](ObservedState& state) {
                               state.containers["shop-web-1"].partner_renewed = true;
                           }))
              .starts_with("[] -> #0 container:shop-web-1 StopContainer (the container whose "
                           "network it shares was made anew)\n"));
}

TEST_CASE("plan_up with orphans and renamed containers") {
    const ObservedState with_orphan =
        with(running_shop(), [](ObservedState& o) { o.containers["shop-old-1"] = there("old"); });
    SUBCASE("orphans stay with a warning") {
        CHECK(up(shop(), with_orphan) ==
              "warning: found orphan containers ([shop-old-1]) for this project; if you removed or "
              "renamed this service in your compose file, you can run this command with the "
              "--remove-orphans flag to clean it up\n");
    }
    SUBCASE("orphans go when asked") {
        CHECK(up(shop(), with_orphan, {.remove_orphans = true}) ==
              "[] -> #0 container:shop-old-1 StopContainer (no longer in the file)\n"
              "[0] -> #1 container:shop-old-1 RemoveContainer (no longer in the file)\n");
    }
    SUBCASE("what was left half made goes, and what run has made stays") {
        const ObservedState beside = with(running_shop(), [](ObservedState& o) {
            for (const char* name : {"shop-web-run-1", "shop-web-run-2", "shop-web-run-3"}) {
                o.containers[name] = there("web");
                o.containers[name].one_off = true;
                o.containers[name].running = false;
            }
            o.containers["shop-web-run-2"].half_made = true;
            // Its record can't be read, but it may have run: it is somebody's.
            o.containers["shop-web-run-3"].config_hash = {};
            // Without a record nobody knows what it was to be.
            o.containers["shop-web-run-4"].half_made = true;
            // Of a service that is there: the service's business.
            o.containers["shop-db-1"].half_made = true;
        });
        const std::string plan = up(shop(), beside);
        for (const char* gone : {"run-2", "run-4"})
            CHECK(plan.find(std::string("container:shop-web-") + gone +
                            " RemoveContainer (it was never made whole)") != std::string::npos);
        CHECK(plan.find("run-1") == std::string::npos);
        CHECK(plan.find("run-3") == std::string::npos);
        CHECK(plan.find("shop-db-1 RemoveContainer") == std::string::npos);
        // As `run` plans, which is about its own container.
        CHECK(up(shop(), beside, {.remove_unfinished = false}).find("run-2") == std::string::npos);
    }
    SUBCASE("a renamed container takes the ports over when the old one is gone") {
        DesiredState desired = shop();
        DesiredContainer web = desired.containers.at("shop-web-1");
        desired.containers.erase("shop-web-1");
        web.config.ports = {{"", 80, 80, "tcp"}};
        desired.containers["site"] = web;
        CHECK(up(desired, running_shop()) ==
              "[] -> #0 container:shop-web-1 StopContainer (the container of its service has "
              "another name now)\n"
              "[0] -> #1 container:shop-web-1 RemoveContainer (the container of its service has "
              "another name now)\n"
              "[] -> #2 container:site CreateContainer (not there yet)\n"
              "[1,2] -> #3 container:site StartContainer (not there yet)\n");
        CHECK(up(desired, running_shop(), {.services = {"db"}}) == "");
    }
}

TEST_CASE("external volumes are not made") {
    const DesiredState desired =
        wanting(shop(), [](DesiredState& d) { d.volumes["shop_data"].config.external = true; });
    CHECK(up(desired, running_shop()) == "");
    CHECK(up(desired, with(running_shop(), [](ObservedState& o) { o.volumes.clear(); })) ==
          "warning: the external volume 'shop_data' is not there; make it first\n");
}

TEST_CASE("steps carry the place of what asked for them") {
    SourceMap places;
    const auto file = make_source("compose.yaml", "");
    places.set("services.web", {file, 2, 3, 3});
    places.set("services.db", {file, 5, 3, 2});
    places.set("volumes.data", {file, 9, 3, 4});
    places.set("networks.default", {});
    places.set("networks", {file, 11, 1, 8});
    std::string text;
    for (const Step& step : plan_up(shop(), {}, {}, places).steps)
        text += fmt::format("{} {}\n", name_of(step.kind), step.place);
    CHECK(text ==
          "CreateNetwork \n"
          "CreateVolume compose.yaml:9:3\n"
          "CreateContainer compose.yaml:5:3\n"
          "StartContainer compose.yaml:5:3\n"
          "CreateContainer compose.yaml:2:3\n"
          "StartContainer compose.yaml:2:3\n");
}

TEST_CASE("plan_down takes dependents away first") {
    struct Case {
        const char* name;
        ObservedState observed;
        DownOptions options;
        const char* plan;
    };
    constexpr const char* kDown =
        "[] -> #0 container:shop-web-1 StopContainer (asked for by down)\n"
        "[0] -> #1 container:shop-web-1 RemoveContainer (asked for by down)\n"
        "[0] -> #2 container:shop-db-1 StopContainer (asked for by down)\n"
        "[2] -> #3 container:shop-db-1 RemoveContainer (asked for by down)\n"
        "[1,3] -> #4 network:shop_default RemoveNetwork (asked for by down)\n";
    static const std::string kDownWithVolume =
        std::string(kDown) + "[1,3] -> #5 volume:shop_data RemoveVolume (asked for by --volumes)\n";
    const Case cases[] = {
        {"nothing is there", {}, {}, ""},
        {"volumes stay", running_shop(), {}, kDown},
        {"volumes go when asked and only those of the project that are there",
         with(running_shop(), [](ObservedState& o) { o.volumes.push_back("others"); }),
         {.volumes = true, .own_volumes = {"shop_data", "shop_gone"}},
         kDownWithVolume.c_str()},
        {"a network alone",
         with(running_shop(), [](ObservedState& o) { o.containers.clear(); }),
         {},
         "[] -> #0 network:shop_default RemoveNetwork (asked for by down)\n"},
        {"recorded circles do not hold it up",
         with(running_shop(),
              [](ObservedState& o) {
                  o.containers["shop-db-1"].needs = {"shop-web-1", "shop-gone-1"};
              }),
         {},
         "[] -> #0 container:shop-db-1 StopContainer (asked for by down)\n"
         "[0] -> #1 container:shop-db-1 RemoveContainer (asked for by down)\n"
         "[0] -> #2 container:shop-web-1 StopContainer (asked for by down)\n"
         "[2] -> #3 container:shop-web-1 RemoveContainer (asked for by down)\n"
         "[1,3] -> #4 network:shop_default RemoveNetwork (asked for by down)\n"},
    };
    for (const Case& c : cases) {
        SUBCASE(c.name) { CHECK(to_string(plan_down(c.observed, c.options)) == c.plan); }
    }
}

TEST_CASE("dependency order") {
    struct Case {
        const char* name;
        Needs needs;
        const char* expected;
    };
    const Case cases[] = {
        {"none", {}, ""},
        {"a chain", {{"a", {"b"}}, {"b", {"c"}}, {"c", {}}}, "c b a"},
        {"a diamond", {{"a", {"b", "c"}}, {"b", {"d"}}, {"c", {"d"}}, {"d", {}}}, "d b c a"},
        {"strangers do not count", {{"a", {"x"}}}, "a"},
        {"itself", {{"a", {"a"}}}, "a; a"},
        {"two circles",
         {{"a", {"b"}}, {"b", {"a"}}, {"c", {"d", "a"}}, {"d", {"c"}}},
         "b a d c; a b; c d"},
    };
    for (const Case& c : cases) {
        SUBCASE(c.name) {
            const DependencyOrder order = dependency_order(c.needs);
            std::string text = fmt::format("{}", fmt::join(order.order, " "));
            for (const auto& cycle : order.cycles)
                text += fmt::format("; {}", fmt::join(cycle, " "));
            CHECK(text == c.expected);
        }
    }
}

TEST_CASE("a chain of dependencies may be long") {
    Needs chain;
    for (int i = 0; i < 50'000; ++i) chain[std::to_string(i)] = {std::to_string(i + 1)};
    CHECK(dependency_order(chain).order.size() == 50'000);
}

}  // namespace davit::compose
