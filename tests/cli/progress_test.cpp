#include "cli/progress.h"

#include <doctest/doctest.h>
#include <string>

using namespace davit;
using namespace davit::cli;
using compose::StepKind;
using Kind = stack::StepEvent::Kind;

namespace {

std::string told(StepKind step_kind, Kind kind, ToldAs as) {
    compose::Step step;
    step.kind = step_kind;
    step.resource = {compose::ResourceKind::Container, "shop-web-1"};
    return progress_line({kind, &step, nullptr}, false, as);
}

}  // namespace

TEST_CASE("steps are told in the words of the command that they belong to") {
    CHECK(told(StepKind::StopContainer, Kind::Begun, ToldAs::Steps) ==
          " Container shop-web-1  Stopping\n");
    CHECK(told(StepKind::StopContainer, Kind::Done, ToldAs::Steps) ==
          " Container shop-web-1  Stopped\n");
    CHECK(told(StepKind::StopContainer, Kind::Begun, ToldAs::Kill) ==
          " Container shop-web-1  Killing\n");
    CHECK(told(StepKind::StopContainer, Kind::Done, ToldAs::Kill) ==
          " Container shop-web-1  Killed\n");
    CHECK(told(StepKind::StopContainer, Kind::Begun, ToldAs::Restart) ==
          " Container shop-web-1  Restarting\n");
    CHECK(told(StepKind::StopContainer, Kind::Done, ToldAs::Restart).empty());
    CHECK(told(StepKind::StartContainer, Kind::Begun, ToldAs::Restart).empty());
    CHECK(told(StepKind::StartContainer, Kind::Done, ToldAs::Restart) ==
          " Container shop-web-1  Started\n");
}
