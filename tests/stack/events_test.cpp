#include "stack/events.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::stack;
using runtime::Status;

namespace {

ContainerView view(Status status, std::string started, std::string finished = {}) {
    ContainerView view;
    view.record.id = "id";
    view.record.name = "shop-web-1";
    view.record.created = "2026-01-02T03:04:00Z";
    view.state.status = status;
    view.state.started_at = std::move(started);
    view.state.finished_at = std::move(finished);
    return view;
}

std::string actions(const Standing& before, const Standing& after) {
    std::string text;
    for (const ContainerEvent& event : changes(before, after, std::chrono::system_clock::now())) {
        text += (text.empty() ? "" : " ") + event.action;
        if (event.attributes.contains("exitCode")) text += ":" + event.attributes.at("exitCode");
    }
    return text;
}

constexpr const char* kFirst = "2026-01-02T03:04:05Z";
constexpr const char* kEnd = "2026-01-02T03:04:09Z";
constexpr const char* kSecond = "2026-01-02T03:04:10Z";

}  // namespace

TEST_CASE("the life of a container is told from how it stands") {
    const Standing nothing;
    const Standing created = {{"id", view(Status::Created, "")}};
    const Standing running = {{"id", view(Status::Running, kFirst)}};
    const Standing paused = {{"id", view(Status::Paused, kFirst)}};
    Standing exited = {{"id", view(Status::Exited, kFirst, kEnd)}};
    exited.at("id").state.exit_code = 3;
    Standing stopped = exited;
    stopped.at("id").state.stopped_by_user = true;
    const Standing again = {{"id", view(Status::Running, kSecond, kEnd)}};

    CHECK(actions(nothing, created) == "create");
    CHECK(actions(nothing, running) == "create start");
    CHECK(actions(nothing, exited) == "create start die:3");
    CHECK(actions(created, running) == "start");
    CHECK(actions(running, running).empty());
    CHECK(actions(running, paused) == "pause");
    CHECK(actions(paused, running) == "unpause");
    CHECK(actions(running, exited) == "die:3");
    CHECK(actions(running, stopped) == "die:3 stop");
    CHECK(actions(running, again) == "die:0 start");
    CHECK(actions(exited, nothing) == "destroy");
    CHECK(actions(running, nothing) == "die destroy");
}

TEST_CASE("how long a program ran is told when it ends") {
    const Standing running = {{"id", view(Status::Running, kFirst)}};
    const Standing exited = {{"id", view(Status::Exited, kFirst, kEnd)}};
    const auto events = changes(running, exited, std::chrono::system_clock::now());
    REQUIRE(events.size() == 1);
    CHECK(events.front().attributes.at("execDuration") == "4");
}
