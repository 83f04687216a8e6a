#include "stack/executor.h"

#include "tests/support/recording_actuator.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <doctest/doctest.h>
#include <pthread.h>
#include <thread>

using namespace davit;
using namespace davit::stack;
using compose::Plan;
using compose::ResourceKind;
using compose::StepKind;
using davit::testing::RecordingActuator;

namespace {

compose::Step step(StepKind kind, const std::string& name,
                   std::vector<compose::StepId> after = {}) {
    compose::Step made;
    made.kind = kind;
    made.resource = {ResourceKind::Container, name};
    made.after = std::move(after);
    return made;
}

std::string word(StepEvent::Kind kind) {
    switch (kind) {
        case StepEvent::Kind::Waiting: return "waiting";
        case StepEvent::Kind::Begun: return "begun";
        case StepEvent::Kind::Done: return "done";
        case StepEvent::Kind::Failed: return "failed";
        case StepEvent::Kind::Skipped: return "skipped";
    }
    return "?";
}

/// Runs `plan` and notes its events as "done web".
struct Heard {
    std::vector<std::string> events = {};
    OnEvent listener() {
        return [this](const StepEvent& event) {
            events.push_back(word(event.kind) + " " + event.step->resource.name);
        };
    }
    bool has(const std::string& event) const {
        return std::find(events.begin(), events.end(), event) != events.end();
    }
};

/// Lets steps wait until a number of them run at the same time.
class Meeting {
public:
    explicit Meeting(int size) : size_(size) {}
    bool come() {
        std::unique_lock lock(mutex_);
        ++here_;
        changed_.notify_all();
        return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return here_ >= size_; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int size_;
    int here_ = 0;
};

ExecuteOptions in_parallel(int count) {
    ExecuteOptions options;
    options.parallel = count;
    return options;
}

}  // namespace

TEST_CASE("each kind of step calls its own function of the actuator") {
    struct Case {
        StepKind kind;
        const char* call;
    };
    const Case cases[] = {
        {StepKind::CreateNetwork, "create network x"},
        {StepKind::RemoveNetwork, "remove network x"},
        {StepKind::CreateVolume, "create volume x"},
        {StepKind::RemoveVolume, "remove volume x"},
        {StepKind::CreateContainer, "create container x"},
        {StepKind::StartContainer, "start container x"},
        {StepKind::StopContainer, "stop container x"},
        {StepKind::RemoveContainer, "remove container x"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.call);
        RecordingActuator actuator;
        CHECK(perform(step(c.kind, "x"), actuator).ok());
        CHECK(actuator.calls() == std::vector<std::string>{c.call});
        actuator.failures[c.call] = "no";
        const Result<void> failed = perform(step(c.kind, "x"), actuator);
        REQUIRE(!failed.ok());
        std::string expected = std::string(c.call).substr(0, std::string(c.call).size() - 1);
        CHECK(failed.error().to_string() == expected + "'x': no");
    }
}

TEST_CASE("an empty plan does nothing") {
    RecordingActuator actuator;
    CHECK(execute(Plan(), actuator, {}, {}).empty());
    CHECK(actuator.calls().empty());
}

TEST_CASE("a step runs after all that it needs") {
    Plan plan;
    plan.add(step(StepKind::CreateContainer, "a"));
    plan.add(step(StepKind::CreateContainer, "b"));
    plan.add(step(StepKind::StartContainer, "a", {0}));
    plan.add(step(StepKind::StartContainer, "b", {1, 2, 2}));
    RecordingActuator actuator;
    Heard heard;
    CHECK(execute(plan, actuator, in_parallel(4), heard.listener()).empty());
    const auto calls = actuator.calls();
    const auto at = [&](const char* call) {
        return std::find(calls.begin(), calls.end(), call) - calls.begin();
    };
    REQUIRE(calls.size() == 4);
    CHECK(at("create container a") < at("start container a"));
    CHECK(at("create container b") < at("start container b"));
    CHECK(at("start container a") < at("start container b"));
    CHECK(heard.events.size() == 8);
}

TEST_CASE("with one worker steps run in plan order") {
    Plan plan;
    for (const char* name : {"a", "b", "c", "d"}) plan.add(step(StepKind::CreateContainer, name));
    RecordingActuator actuator;
    Heard heard;
    CHECK(execute(plan, actuator, in_parallel(1), heard.listener()).empty());
    CHECK(heard.events == std::vector<std::string>{"begun a", "done a", "begun b", "done b",
                                                   "begun c", "done c", "begun d", "done d"});
}

TEST_CASE("steps that don't need each other run at the same time") {
    Plan plan;
    for (const char* name : {"a", "b", "c"}) plan.add(step(StepKind::CreateContainer, name));
    Meeting meeting(3);
    std::atomic<bool> all_met = true;
    RecordingActuator actuator;
    actuator.during = [&](const std::string&) {
        if (!meeting.come()) all_met = false;
    };
    CHECK(execute(plan, actuator, in_parallel(3), {}).empty());
    CHECK(all_met);
}

TEST_CASE("no more steps run at the same time than asked for") {
    Plan plan;
    for (int i = 0; i < 40; ++i) plan.add(step(StepKind::CreateContainer, std::to_string(i)));
    std::atomic<int> running = 0;
    std::atomic<int> most = 0;
    RecordingActuator actuator;
    actuator.during = [&](const std::string&) {
        const int now = ++running;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        std::this_thread::yield();
        --running;
    };
    CHECK(execute(plan, actuator, in_parallel(2), {}).empty());
    CHECK(most <= 2);
    CHECK(actuator.calls().size() == 40);
}

TEST_CASE("a failure skips what depends on it and lets the rest finish") {
    Plan plan;
    plan.add(step(StepKind::CreateContainer, "a"));
    plan.add(step(StepKind::StartContainer, "a", {0}));
    plan.add(step(StepKind::CreateContainer, "b"));
    plan.add(step(StepKind::StartContainer, "b", {2}));
    plan.add(step(StepKind::StartContainer, "c", {1, 3}));
    RecordingActuator actuator;
    actuator.failures["create container a"] = "disk full";
    Heard heard;
    const auto failed = execute(plan, actuator, in_parallel(2), heard.listener());
    REQUIRE(failed.size() == 1);
    CHECK(failed[0].step == plan.steps[0]);
    CHECK(failed[0].error.to_string() == "create container 'a': disk full");
    CHECK(heard.has("failed a"));
    CHECK(heard.has("skipped a"));
    CHECK(heard.has("skipped c"));
    CHECK(heard.has("done b"));
    CHECK(std::count(heard.events.begin(), heard.events.end(), "skipped c") == 1);
    const auto calls = actuator.calls();
    CHECK(std::count(calls.begin(), calls.end(), "start container b") == 1);
    CHECK(std::count(calls.begin(), calls.end(), "start container a") == 0);
}

TEST_CASE("failures are told in plan order and each once") {
    Plan plan;
    plan.add(step(StepKind::CreateContainer, "a"));
    plan.add(step(StepKind::CreateContainer, "b"));
    plan.add(step(StepKind::StartContainer, "both", {0, 1}));
    Meeting meeting(2);
    RecordingActuator actuator;
    actuator.failures = {{"create container a", "one"}, {"create container b", "two"}};
    actuator.during = [&](const std::string&) { meeting.come(); };
    const auto failed = execute(plan, actuator, in_parallel(2), {});
    REQUIRE(failed.size() == 2);
    CHECK(failed[0].step.resource.name == "a");
    CHECK(failed[1].step.resource.name == "b");
}

TEST_CASE("after cancelling no step begins and what runs is waited for") {
    Plan plan;
    for (const char* name : {"a", "b", "c"}) plan.add(step(StepKind::CreateContainer, name));
    bool cancelled = false;
    RecordingActuator actuator;
    Heard heard;
    ExecuteOptions options = in_parallel(1);
    options.cancelled = [&] { return cancelled; };
    const auto failed = execute(plan, actuator, options, [&](const StepEvent& event) {
        heard.listener()(event);
        if (event.kind == StepEvent::Kind::Done) cancelled = true;
    });
    CHECK(failed.empty());
    CHECK(heard.events == std::vector<std::string>{"begun a", "done a"});
}

TEST_CASE("a wait keeps nobody from work and an optional one stops nobody") {
    Plan plan;
    plan.add(step(StepKind::AwaitContainer, "db"));
    plan.add(step(StepKind::CreateContainer, "other"));
    plan.add(step(StepKind::StartContainer, "web", {0}));
    plan.steps[0].awaited = compose::Awaited::Healthy;
    // With a single worker the wait and the other step still meet.
    Meeting meeting(2);
    RecordingActuator actuator;
    actuator.failures = {{"await db to be healthy", "ill"}};
    actuator.during = [&](const std::string& call) {
        if (call != "start container web") meeting.come();
    };
    auto failed = execute(plan, actuator, in_parallel(1), {});
    REQUIRE(failed.size() == 1);
    CHECK(failed[0].step.kind == StepKind::AwaitContainer);
    CHECK(actuator.calls().size() == 2);

    plan.steps[0].optional = true;
    Meeting again(2);
    RecordingActuator lenient;
    lenient.failures = actuator.failures;
    lenient.during = [&](const std::string& call) {
        if (call != "start container web") again.come();
    };
    CHECK(execute(plan, lenient, in_parallel(1), {}).empty());
    CHECK(lenient.calls().size() == 3);
}

TEST_CASE("events and the question for cancelling come from the calling thread") {
    Plan plan;
    for (int i = 0; i < 20; ++i) plan.add(step(StepKind::CreateContainer, std::to_string(i)));
    const std::thread::id caller = std::this_thread::get_id();
    bool elsewhere = false;
    ExecuteOptions options = in_parallel(4);
    options.cancelled = [&] {
        elsewhere = elsewhere || std::this_thread::get_id() != caller;
        return false;
    };
    RecordingActuator actuator;
    execute(plan, actuator, options, [&](const StepEvent&) {
        elsewhere = elsewhere || std::this_thread::get_id() != caller;
    });
    CHECK(!elsewhere);
}

TEST_CASE("without threads the caller works itself, and a wait is told as failed") {
    // As large as this, no stack of a thread is to be had.
    pthread_attr_t before;
    REQUIRE(::pthread_getattr_default_np(&before) == 0);
    pthread_attr_t huge;
    REQUIRE(::pthread_attr_init(&huge) == 0);
    REQUIRE(::pthread_attr_setstacksize(&huge, std::size_t{1} << 50U) == 0);
    REQUIRE(::pthread_setattr_default_np(&huge) == 0);
    Plan plan;
    plan.add(step(StepKind::CreateContainer, "a"));
    plan.add(step(StepKind::StartContainer, "a", {0}));
    plan.add(step(StepKind::AwaitContainer, "a", {1}));
    plan.steps[2].awaited = compose::Awaited::Healthy;
    RecordingActuator actuator;
    const auto failed = execute(plan, actuator, in_parallel(4), {});
    CHECK(::pthread_setattr_default_np(&before) == 0);
    CHECK(actuator.calls() == std::vector<std::string>{"create container a", "start container a"});
    REQUIRE(failed.size() == 1);
    CHECK(failed[0].error.to_string().starts_with("wait for 'a': pthread_create(3): "));
    CHECK(failed[0].error.help().find("ulimit -u") != std::string::npos);
}
