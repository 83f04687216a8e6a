#include "cli/plan_text.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::cli;
using compose::ResourceKind;
using compose::StepKind;

namespace {

compose::Plan sample() {
    compose::Plan plan;
    plan.add({StepKind::CreateNetwork,
              {ResourceKind::Network, "shop_default"},
              "not there yet",
              "",
              {}});
    plan.add({StepKind::RemoveContainer,
              {ResourceKind::Container, "shop-web-1"},
              "image changed",
              "compose.yaml:3:5",
              {}});
    plan.add(
        {StepKind::StartContainer, {ResourceKind::Container, "shop-web-1"}, "new", "", {0, 1}});
    plan.warnings = {"odd"};
    return plan;
}

}  // namespace

TEST_CASE("a plan is shown with its reasons and places") {
    CHECK(plan_text(sample(), "shop", false) ==
          "Changes to project 'shop':\n"
          "  + create   network     shop_default   not there yet\n"
          "  - remove   container   shop-web-1     image changed  (compose.yaml:3:5)\n"
          "  > start    container   shop-web-1     new\n"
          "3 steps: 1 create, 1 start, 0 stop, 1 remove\n");
    CHECK(plan_text({}, "shop", false) == "Nothing to change in project 'shop'.\n");
}

TEST_CASE("a plan is shown to programs") {
    CHECK(plan_json(sample(), "shop").dump() ==
          R"({"version":1,"project":"shop","steps":[)"
          R"({"id":0,"kind":"CreateNetwork","resource":{"kind":"network","name":"shop_default"},)"
          R"("cause":"not there yet","place":null,"after":[]},)"
          R"({"id":1,"kind":"RemoveContainer","resource":{"kind":"container","name":"shop-web-1"},)"
          R"("cause":"image changed","place":"compose.yaml:3:5","after":[]},)"
          R"({"id":2,"kind":"StartContainer","resource":{"kind":"container","name":"shop-web-1"},)"
          R"("cause":"new","place":null,"after":[0,1]}],"warnings":["odd"]})");
}
