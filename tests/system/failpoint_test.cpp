#include "base/file.h"
#include "tests/support/fake_registry.h"
#include "tests/support/seed.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temp_dir.h"
#include "tests/system/fault.h"
#include "tests/system/needs_failpoints.h"

#include <algorithm>
#include <chrono>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <sys/stat.h>

// Every place where davit changes the world (base/failpoint.h), with every fault that may happen
// there: it is killed, the disk has an error or is full, or it takes its time.
using namespace davit;
using namespace davit::testing;

namespace {

/// A command that changes the world, and what must hold whatever happened to it.
struct Scenario {
    std::string name = {};
    /// Brings the world to where the command begins. Returns the command.
    std::function<std::vector<std::string>()> begin = {};
    /// The faults are gone: what follows must work. True: go on with the command's work; false:
    /// take it back.
    std::function<void(bool)> after = {};
};

/// One fault at one place of one scenario.
struct Case {
    const Scenario* scenario = nullptr;
    std::string point = {};
    std::string deed = {};
};

// Passed by nearly every step: each of the first few times is a case of its own.
const std::set<std::string> kEverywhere = {"file.write", "file.rename", "file.remove"};
constexpr int kTimes = 12;

// Where an error is not the command's: what goes on in the guard after the command has its answer,
// and what is only tidied.
const std::set<std::string> kNotTold = {
    "build.reap", "container.cloned", "guard.answer",  "guard.ended",   "guard.finished",
    "guard.reap", "guard.reaped",     "guard.spawned", "guard.started", "log.write"};

class Sweep {
public:
    explicit Sweep(const Sandbox& box) : box_(box) {}

    /// Runs the scenario without a fault. Returns the places that it comes by, with how often.
    std::map<std::string, int> places_of(const Scenario& scenario) {
        CAPTURE(scenario.name);
        const Outcome outcome = run_with(scenario, "");
        REQUIRE_MESSAGE(outcome.status == 0, outcome.out, outcome.err);
        std::map<std::string, int> places;
        for (const std::string& name : traced()) ++places[name];
        scenario.after(true);
        return places;
    }

    void try_case(const Case& one, bool go_on) {
        CAPTURE(one.scenario->name);
        CAPTURE(go_on);
        const std::string fault = one.point + "=" + one.deed;
        CAPTURE(fault);
        const Outcome outcome = run_with(*one.scenario, fault);
        CAPTURE(outcome.err);
        const std::string point = one.point.substr(0, one.point.find('@'));
        const std::vector<std::string> names = traced();
        const bool struck = std::find(names.begin(), names.end(), "!" + point) != names.end();
        // Files are written by several processes: the N-th time may be nobody's. And the guard of
        // what has run to its end may end before it is asked to.
        const bool may_be_missed = kEverywhere.contains(point) ||
                                   (one.scenario->name == "run" && point == "guard.stopped");
        if (!may_be_missed) CHECK(struck);
        check_outcome(one, point, outcome, struck);
        // A guard keeps its faults, and each first process that it makes anew meets them: it takes
        // another guard to go on.
        if (go_on && point.starts_with("child.")) (void)box_.davit({"restart"});
        one.scenario->after(go_on);
    }

private:
    Outcome run_with(const Scenario& scenario, const std::string& faults) {
        Command command = box_.davit_command(scenario.begin());
        ::unlink(trace().c_str());
        command.environment.push_back("DAVIT_FAILPOINTS=" + faults);
        command.environment.push_back("DAVIT_FAILPOINTS_TRACE=" + trace());
        command.argv.insert(command.argv.begin(), {"timeout", "--signal=KILL", "60"});
        const auto began = std::chrono::steady_clock::now();
        Outcome outcome = run(command);
        // I9.
        CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(50));
        return outcome;
    }

    void check_outcome(const Case& one, const std::string& point, const Outcome& outcome,
                       bool struck) const {
        // Killed as it was told to, or an answer; never a crash.
        CHECK((outcome.status < 126 || (outcome.status == 137 && one.deed.starts_with("kill"))));
        if (one.deed.starts_with("delay")) CHECK(outcome.status == 0);
        const bool fails = one.deed.starts_with("EIO") || one.deed.starts_with("ENOSPC");
        if (!fails || !struck || kNotTold.contains(point)) return;
        if (outcome.status == 0) {
            // Nothing is passed over in silence, but by guards, which have a log of their own, and
            // where a scratch folder is left to the next sweep.
            if (!kEverywhere.contains(point)) CHECK(contains(outcome.err, point));
            return;
        }
        // What was to be done, and what can be done about it.
        CHECK(contains(outcome.err, one.deed.substr(0, one.deed.find('@'))));
        const std::string told = " failpoint " + point;
        // A step of a build says it in its own output, which the error points at.
        CHECK((point.starts_with("child.") || contains(outcome.err, ":" + told) ||
               (one.scenario->name == "build" && contains(outcome.err, "#2" + told))));
        CHECK(contains(outcome.err, "help: "));
    }

    std::string trace() const { return box_.folder() + "/trace"; }

    std::vector<std::string> traced() const {
        const Result<std::string> text = read_file(trace());
        std::vector<std::string> names = split(text ? *text : std::string(), '\n');
        std::erase(names, "");
        return names;
    }

    const Sandbox& box_;
};

std::string stack_of(const Sandbox& box) {
    return fmt::format(R"(
services:
  db:
    image: local/app:1
    command: sleep 1000
    stop_signal: SIGKILL
    volumes: [data:/bin, own:/www, /scratch]
    configs: [{{source: words, target: /words}}]
  web:
    image: local/app:1
    command: sh -c 'echo hello; exec httpd -f -p 80 -h /bin'
    stop_signal: SIGKILL
    restart: always
    depends_on: [db]
    ports: ["18095:80"]
configs: {{words: {{content: kept}}}}
volumes:
  data: {{}}
  own: {{driver_opts: {{type: none, o: bind, device: "{}/own"}}}}
)",
                       box.folder());
}

/// Images that the stack and the builds begin with.
void load_images(const Sandbox& box) {
    box.load_busybox();
    box.write("Dockerfile", "FROM local/busybox:1\nRUN echo page > /www/page\n");
    box.davit_ok({"build", "-t", "local/app:1", "."});
    REQUIRE(make_directories(box.folder() + "/own", 0755).ok());
    box.compose(stack_of(box));
}

/// Scenarios of a stack, which begins down and without volumes, or up.
class StackScenarios {
public:
    explicit StackScenarios(const Sandbox& box) : box_(box), before_(box.world()) {}

    std::vector<Scenario> all() const {
        return {make("up", {"up", "-d"}, false),
                make("recreate", {"up", "-d", "--force-recreate"}),
                make("restart", {"restart"}),
                make("stop", {"stop"}),
                make("run", {"run", "--rm", "-T", "db", "true"}),
                make("down", {"down", "-v"})};
    }

private:
    Scenario make(std::string name, std::vector<std::string> command, bool begins_up = true) const {
        const bool destroys = name == "down";
        return {std::move(name),
                [this, command, begins_up] {
                    begins_up ? up() : clear();
                    return command;
                },
                [this, begins_up, destroys](bool go_on) {
                    if (go_on && destroys)
                        finish_down();
                    else if (go_on)
                        go_on_with(begins_up);
                    check_goes_down(box_, before_);
                }};
    }

    void clear() const {
        box_.davit_ok({"down", "-v", "-t", "0"});
        REQUIRE(run({.argv = {"sh", "-c", "rm -rf own && mkdir own"}, .folder = box_.folder()})
                    .status == 0);
        // Made once for a data root, which is once too few for the cases that are about it.
        REQUIRE(remove_tree(box_.data_root() + "/mount-points").ok());
    }

    void up() const {
        box_.davit_ok({"up", "-d"});
        box_.davit_ok({"exec", "-T", "db", "sh", "-c", "echo canary > /bin/canary"});
    }

    void go_on_with(bool canary) const {
        // Guards have the faults of the command that started them, and may meet them now.
        const Outcome up = bounded(box_, {"up", "-d"});
        CHECK_MESSAGE(up.status == 0, up.err);
        check_goes_on(box_);
        CHECK(eventually([] { return contains(http_get("127.0.0.1", 18095), "HTTP/1"); }));
        CHECK(box_.davit_ok({"exec", "-T", "db", "cat", "/words"}) == "kept");
        // A volume is filled whole, and nothing that is in it is ever lost (I6).
        CHECK(box_.davit_ok({"exec", "-T", "db", "cat", "/www/page"}) == "page\n");
        if (canary) CHECK(box_.davit_ok({"exec", "-T", "db", "cat", "/bin/canary"}) == "canary\n");
    }

    void finish_down() const {
        const Outcome outcome = bounded(box_, {"down", "-v"});
        CHECK_MESSAGE(outcome.status == 0, outcome.err);
        CHECK(list_directory(box_.data_root() + "/volumes")->empty());
    }

    const Sandbox& box_;
    std::string before_;
};

/// The store is whole (I5).
void check_store(const Sandbox& box) {
    const Outcome check = bounded(box, {"image", "check"});
    CHECK_MESSAGE(check.status == 0, check.out, check.err);
}

/// Commands that change the store, by an image that is not there before, or is.
class ImageScenarios {
public:
    ImageScenarios(const Sandbox& box, const FakeRegistry& registry)
        : box_(box), before_(box.world()), remote_(registry.host() + "/app:1") {}

    std::vector<Scenario> all() const {
        const std::vector<std::string> pull = {"pull", "-q", remote_};
        const std::vector<std::string> build = {"build", "--no-cache", "-t", kBuilt, "."};
        const std::vector<std::string> remove = {"rmi", remote_};
        return {{"pull", [this, pull] { return cleared(pull); },
                 [this, pull](bool go_on) { after(pull, remote_, go_on); }},
                // Of a build that was killed the next one takes the rest away.
                {"build", [this, build] { return cleared(build); },
                 [this, build](bool) { after(build, kBuilt, true); }},
                {"rmi",
                 [this, pull, remove] {
                     box_.davit_ok(pull);
                     return remove;
                 },
                 [this, pull](bool go_on) { after(pull, remote_, go_on); }}};
    }

private:
    static constexpr const char* kBuilt = "local/built:1";

    std::vector<std::string> cleared(const std::vector<std::string>& command) const {
        for (const std::string& name : {remote_, std::string(kBuilt)})
            (void)box_.davit({"rmi", "-f", name});
        return command;
    }

    void after(const std::vector<std::string>& command, const std::string& name, bool go_on) const {
        check_store(box_);
        if (go_on) {
            const Outcome again = bounded(box_, command);
            CHECK_MESSAGE(again.status == 0, again.err);
            CHECK(contains(box_.davit_ok({"images", "-q", name}), "\n"));
        }
        (void)box_.davit({"rmi", "-f", name});
        // A removal sweeps what others have left on their way.
        box_.davit_ok({"tag", "local/busybox:1", "local/other:1"});
        box_.davit_ok({"rmi", "local/other:1"});
        check_store(box_);
        check_whole(box_);
        CHECK(list_directory(box_.data_root() + "/images/tmp")->empty());
        CHECK_MESSAGE(eventually([&] { return box_.world() == before_; }), box_.world());
    }

    const Sandbox& box_;
    std::string before_;
    std::string remote_;
};

/// Moves the data root to another place each time.
Scenario move_scenario(const Sandbox& box, const TempDir& disk) {
    const auto command = std::make_shared<std::vector<std::string>>();
    const auto number = std::make_shared<int>(0);
    const auto check_all_there = [&box] {
        box.davit_ok({"up", "-d"});
        CHECK(box.davit_ok({"exec", "-T", "db", "cat", "/www/page"}) == "page\n");
        box.davit_ok({"down", "-t", "0"});
        check_store(box);
    };
    return {"move",
            [=, &box, &disk] {
                box.davit_ok({"down", "-t", "0"});
                *command = {"data-root", "move", disk / fmt::format("place-{}", ++*number)};
                return *command;
            },
            [=, &box](bool go_on) {
                check_all_there();  // wherever it is now
                if (!go_on) return;
                const Outcome again = bounded(box, *command);
                CHECK_MESSAGE(again.status == 0, again.err);
                CHECK_FALSE(exists(box.data_root() + ".moved"));
                check_all_there();
            }};
}

std::vector<Case> cases_of(const Scenario& scenario, const std::map<std::string, int>& places) {
    std::vector<Case> cases;
    for (const auto& [point, count] : places) {
        const int times = kEverywhere.contains(point) ? std::min(count, kTimes) : 1;
        for (int time = 1; time <= times; ++time) {
            for (const std::string deed : {"kill", "EIO", "ENOSPC", "delay:300"}) {
                // A full disk stays full; an error of a disk passes.
                const bool lasts = deed == "ENOSPC" && times == 1;
                cases.push_back(
                    {&scenario, point, lasts ? deed : fmt::format("{}@{}", deed, time)});
            }
        }
    }
    return cases;
}

/// Every place has to be reached by some scenario, or it is never tried.
void check_coverage(const std::set<std::string>& reached) {
    const Outcome listed = run({.argv = {DAVIT_SOURCE_DIR "/scripts/failpoints.sh"}});
    REQUIRE(listed.status == 0);
    std::vector<std::string> missing;
    for (const std::string& name : split(trim(listed.out), '\n'))
        if (!reached.contains(name)) missing.push_back(name);
    CHECK_MESSAGE(missing.empty(), fmt::format("never reached: {}", fmt::join(missing, " ")));
}

/// DAVIT_CAMPAIGN_ONLY="SCENARIO POINT DEED", each of them the beginning of a word.
bool is_wanted(const Case& one) {
    const char* only = std::getenv("DAVIT_CAMPAIGN_ONLY");  // NOLINT(concurrency-mt-unsafe)
    const std::vector<std::string> words = split(only == nullptr ? "" : only, ' ');
    const std::string own[] = {one.scenario->name, one.point, one.deed};
    for (std::size_t i = 0; i < std::min<std::size_t>(words.size(), 3); ++i)
        if (!own[i].starts_with(words[i])) return false;
    return true;
}

void serve(const FakeRegistry& registry) {
    constexpr const char* kTar = "application/vnd.oci.image.layer.v1.tar";
    const std::string first = TarWriter().file("first", noise(40000, 1)).finish();
    const std::string second = TarWriter().folder("a").file("a/second", noise(3000, 2)).finish();
    registry.manifest(registry.image({{kTar, first, first}, {kTar, second, second}}), "1");
}

}  // namespace

TEST_CASE("whatever fails wherever davit changes the world is told and mended (K1, K2, S1)") {
    NEEDS_FAILPOINTS();
    const TempDir disk;  // outlives the sandbox, whose data root ends up there
    const FakeRegistry registry;
    serve(registry);
    const Sandbox stack_box("dt-points");
    const Sandbox store_box("dt-points-store");
    const Sandbox move_box("dt-points-move");
    for (const Sandbox* box : {&stack_box, &store_box, &move_box}) load_images(*box);
    const StackScenarios stacks(stack_box);
    const ImageScenarios images(store_box, registry);
    std::vector<std::pair<Sweep, Scenario>> scenarios;
    for (Scenario& one : stacks.all()) scenarios.emplace_back(Sweep(stack_box), std::move(one));
    for (Scenario& one : images.all()) scenarios.emplace_back(Sweep(store_box), std::move(one));
    scenarios.emplace_back(Sweep(move_box), move_scenario(move_box, disk));

    std::set<std::string> reached;
    std::vector<std::pair<Sweep*, Case>> cases;
    for (auto& [sweep, scenario] : scenarios) {
        const std::map<std::string, int> places = sweep.places_of(scenario);
        for (const auto& [name, count] : places) reached.insert(name);
        for (Case& one : cases_of(scenario, places))
            if (is_wanted(one)) cases.emplace_back(&sweep, std::move(one));
    }
    check_coverage(reached);

    // Some of them, all of them in a campaign: DAVIT_CAMPAIGN_SECONDS=7200.
    const unsigned seed = seed_of_this_run();
    std::mt19937 random(seed);
    std::shuffle(cases.begin(), cases.end(), random);
    const auto end = end_after(number_from("DAVIT_CAMPAIGN_SECONDS", 45));
    std::size_t tried = 0;
    for (; tried < cases.size() && std::chrono::steady_clock::now() < end; ++tried)
        cases[tried].first->try_case(cases[tried].second, random() % 2 == 0);
    MESSAGE("DAVIT_TEST_SEED=", seed, ": ", tried, " of ", cases.size(), " cases were tried");
    CHECK(tried > 0);
}

TEST_CASE("a fault that can't be understood is not passed over") {
    NEEDS_FAILPOINTS();
    const Sandbox box("dt-points-bad");
    box.load_busybox();
    box.compose("services: {a: {image: 'local/busybox:1', command: sleep 1000}}\n");
    for (const char* text :
         {"guard.known", "guard.known=explode", "guard.known=kill@0", "guard.known=delay:soon"}) {
        CAPTURE(text);
        Command command = box.davit_command({"up", "-d"});
        command.environment.push_back(std::string("DAVIT_FAILPOINTS=file.write=EIO@9,") + text);
        const Outcome outcome = run(command);
        CHECK(outcome.status == 2);
        CHECK(contains(outcome.err, std::string("'") + text + "' is not"));
    }
}
