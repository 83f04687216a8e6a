#include "base/file.h"
#include "base/scope_guard.h"
#include "tests/support/seed.h"
#include "tests/system/fault.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

// Random commands of several projects at once, with random faults in between; then everything must
// be as it should be, and going on must work. scripts/nemesis.sh runs it for longer.
using namespace davit;
using namespace davit::testing;

namespace {

constexpr const char* kProjects[] = {"dt-chaos0", "dt-chaos1", "dt-chaos2"};

constexpr const char* kServices = R"(
services:
  db: {image: local/busybox:1, command: sleep 1000, stop_signal: SIGKILL, volumes: [data:/data]}
  web:
    image: local/busybox:1
    command: httpd -f -p 80 -h /bin
    stop_signal: SIGKILL
    restart: always
    depends_on: [db]
    ports: ["80"]
  talk:
    image: local/busybox:1
    command: sh -c 'while true; do echo tick; sleep 0.1; done'
    stop_grace_period: 1s
volumes: {data: {}}
)";

class Nemesis {
public:
    Nemesis(const Sandbox& box, unsigned seed) : box_(box), random_(seed) {}

    /// Some commands and faults at once; then nothing may be wrong.
    void round(int number) {
        history_ += fmt::format("round {}\n", number);
        INFO(history_);
        for (int i = 0; i < 6; ++i) {
            random_() % 3 == 0 ? do_harm() : begin_command();
            ::poll(nullptr, 0, static_cast<int>(random_() % 250));
        }
        if (full_ && random_() % 2 == 0) check_down_on_full_disk();
        await_all();
        free_disk();
        for (const char* project : kProjects) settle(project);
        check_whole(box_);
        history_ = history_.substr(history_.rfind("round "));  // what came before was well
    }

    void take_down() const {
        for (const char* project : kProjects)
            (void)box_.davit({"-p", project, "down", "-v", "-t", "0"});
    }

private:
    struct Running {
        std::string words = {};
        std::unique_ptr<Background> process = {};
        bool killed = false;
    };

    std::size_t below(std::size_t limit) { return random_() % limit; }

    void begin_command() {
        static const std::vector<std::vector<std::string>> kKinds = {
            {"up", "-d"},
            {"up", "-d"},
            {"up", "-d", "web"},
            {"up", "-d", "--force-recreate"},
            {"down"},
            {"restart"},
            {"stop", "-t", "0"},
            {"start"},
            {"kill"},
            {"up", "-d", "--scale", "web=3"},
            {"ps", "-a"},
            {"run", "--rm", "-T", "db", "true"},
            {"rm", "-f"},
            {"exec", "-T", "db", "true"},
            {"pause"},
            {"unpause"},
            {"logs", "talk"},
            {"volume", "prune", "-f"}};
        std::vector<std::string> words = kKinds[below(kKinds.size())];
        words.insert(words.begin(), {"-p", kProjects[below(std::size(kProjects))]});
        Running one;
        one.words = fmt::format("{}", fmt::join(words, " "));
        history_ += one.words + "\n";
        Command command = box_.davit_command(std::move(words));
        command.argv.insert(command.argv.begin(), {"timeout", "--signal=ABRT", "60"});
        one.process = std::make_unique<Background>(command, output_of(running_.size()));
        running_.push_back(std::move(one));
    }

    void do_harm() {
        switch (below(6)) {
            case 0: return kill_command();
            case 1: return kill_one("guard_pid");
            case 2: return kill_one("pid");
            case 3: return flush_rules();
            case 4: return fill_disk();
            default: return remove_locks();
        }
    }

    void kill_command() {
        if (running_.empty()) return;
        Running& one = running_[below(running_.size())];
        history_ += "kill -9 of: " + one.words + "\n";
        one.killed = true;
        // timeout(1) is the parent of davit.
        const int parent = one.process->pid();
        const auto children = read_file(fmt::format("/proc/{}/task/{}/children", parent, parent));
        const auto pid = parse_integer(trim(children ? *children : std::string()));
        if (pid) ::kill(static_cast<pid_t>(*pid), SIGKILL);
    }

    void kill_one(const char* key) {
        const std::string project = kProjects[below(std::size(kProjects))];
        const auto names = list_directory(box_.run_root() + "/" + project);
        if (!names || names->empty()) return;
        const std::string& name = (*names)[below(names->size())];
        const auto state = read_json(box_.run_root() + "/" + project + "/" + name + "/state.json");
        const auto pid = static_cast<pid_t>(state ? integer_or(*state, key) : 0);
        if (pid <= 1 || !is_ours(pid)) return;
        history_ += fmt::format("kill -9 of {} of {}\n", key, name);
        ::kill(pid, SIGKILL);
    }

    /// The number may be another process's by now: only what davit has put into its cgroups.
    static bool is_ours(pid_t pid) {
        const Result<std::string> groups = read_file(fmt::format("/proc/{}/cgroup", pid));
        return groups && contains(*groups, "/davit/");
    }

    void flush_rules() {
        history_ += "nft flush ruleset\n";
        (void)run({.argv = {"nft", "flush", "ruleset"}});
    }

    void fill_disk() {
        history_ += "the disk is full\n";
        full_ = true;
        (void)run({.argv = {"dd", "if=/dev/zero", "of=" + ballast(), "bs=64k", "status=none"}});
    }

    void free_disk() {
        full_ = false;
        ::unlink(ballast().c_str());
    }

    void remove_locks() {
        const std::string project = kProjects[below(std::size(kProjects))];
        history_ += "removed the lock of " + project + "\n";
        ::unlink((box_.data_root() + "/projects/" + project + "/lock").c_str());
    }

    /// What frees space must work without any (S1).
    void check_down_on_full_disk() {
        await_all();
        fill_disk();
        const std::string project = kProjects[below(std::size(kProjects))];
        history_ += "-p " + project + " down\n";
        INFO(history_);
        const Outcome down = bounded(box_, {"-p", project, "down"});
        CHECK_MESSAGE(down.status == 0, down.err);
    }

    /// What enters a container that is paused meanwhile waits with it, as with Docker.
    void release_waiting() {
        const auto is = [](const Running& one, const char* word) {
            return contains(one.words, word);
        };
        for (Running& one : running_)
            if (is(one, " pause")) one.process->wait();
        for (const Running& one : running_)
            if (is(one, " exec "))
                (void)box_.davit({"-p", std::string(split(one.words, ' ').at(1)), "unpause"});
    }

    void await_all() {
        release_waiting();
        for (std::size_t i = 0; i < running_.size(); ++i) {
            Running& one = running_[i];
            const int status = one.process->wait();
            const Result<std::string> output = read_file(output_of(i));
            INFO(one.words, ": ", (output ? *output : std::string()));
            // An answer or our kill; no crash, and nothing that takes longer than a minute.
            // What runs in a container ends with it, at the latest when another command stops it.
            const bool with_container =
                contains(one.words, " exec ") && (status == 126 || status == 137);
            CHECK((status < 124 || (status == 137 && one.killed) || with_container));
        }
        running_.clear();
    }

    /// The project goes on from wherever it is, in one of two directions.
    void settle(const std::string& project) {
        const bool up = below(3) != 0;
        history_ += fmt::format("-p {} {}\n", project, up ? "up -d" : "down");
        INFO(history_);
        const std::vector<std::string> begin = {"-p", project};
        const auto with = [&](std::vector<std::string> words) {
            words.insert(words.begin(), begin.begin(), begin.end());
            return words;
        };
        if (up) (void)box_.davit(with({"unpause"}));
        const Outcome done = bounded(box_, with(up ? std::vector<std::string>{"up", "-d"}
                                                   : std::vector<std::string>{"down"}));
        CHECK_MESSAGE(done.status == 0, done.err);
        if (!up) return;
        // One whose guard was killed had nobody to let it go on before.
        (void)box_.davit(with({"unpause"}));
        const Outcome plan = box_.davit(with({"plan", "--detailed-exitcode"}));
        CHECK_MESSAGE(plan.status == 0, plan.out, plan.err);
        const std::string port = std::string(trim(box_.davit_ok(with({"port", "web", "80"}))));
        const auto number = parse_integer(port.substr(port.rfind(':') + 1));
        REQUIRE(number);
        CHECK(eventually(
            [&] { return contains(http_get("127.0.0.1", static_cast<int>(*number)), "HTTP/1"); }));
    }

    std::string output_of(std::size_t i) const {
        return fmt::format("{}/out-{}", box_.folder(), i);
    }
    std::string ballast() const { return box_.data_root() + "/ballast"; }

    const Sandbox& box_;
    std::mt19937 random_;
    std::vector<Running> running_ = {};
    std::string history_ = {};
    bool full_ = false;
};

}  // namespace

TEST_CASE("nothing that random commands and faults do together breaks an invariant (C2, K2, S1)") {
    const Sandbox box("dt-chaos");
    REQUIRE(make_directories(box.data_root(), 0700).ok());
    REQUIRE(::mount("tmpfs", box.data_root().c_str(), "tmpfs", 0, "size=48m") == 0);
    const ScopeGuard unmount([&] { (void)::umount2(box.data_root().c_str(), MNT_DETACH); });
    box.load_busybox();
    box.write("compose.yaml", kServices);
    const std::string before = box.world();
    const unsigned seed = seed_of_this_run();
    Nemesis nemesis(box, seed);
    const ScopeGuard undo([&] { nemesis.take_down(); });
    const auto end = end_after(number_from("DAVIT_NEMESIS_SECONDS", 25));
    int rounds = 0;
    while (std::chrono::steady_clock::now() < end) nemesis.round(++rounds);
    nemesis.take_down();
    CHECK_MESSAGE(eventually([&] { return box.world() == before; }), box.world());
    MESSAGE("DAVIT_TEST_SEED=", seed, ": ", rounds, " rounds");
}

TEST_CASE("with a full disk a stack is told so, comes down, and comes up when there is room (S1)") {
    const Sandbox box("dt-full");
    REQUIRE(make_directories(box.data_root(), 0700).ok());
    REQUIRE(::mount("tmpfs", box.data_root().c_str(), "tmpfs", 0, "size=32m,nr_inodes=3k") == 0);
    const ScopeGuard unmount([&] { (void)::umount2(box.data_root().c_str(), MNT_DETACH); });
    REQUIRE(make_directories(box.run_root(), 0711).ok());
    REQUIRE(::mount("tmpfs", box.run_root().c_str(), "tmpfs", 0, "size=4m,nr_inodes=1k") == 0);
    const ScopeGuard unmount_run([&] { (void)::umount2(box.run_root().c_str(), MNT_DETACH); });
    box.load_busybox();
    box.compose(kServices);
    const std::string before = box.world();
    const auto fill = [&](const std::string& root) {
        (void)run(
            {.argv = {"dd", "if=/dev/zero", "of=" + root + "/ballast", "bs=4k", "status=none"}});
    };
    for (const std::string& root : {box.data_root(), box.run_root()}) {
        CAPTURE(root);
        fill(root);
        const Outcome up = bounded(box, {"up", "-d"});
        CHECK(up.status == 1);
        CHECK_MESSAGE(contains(up.err, "ENOSPC"), up.err);
        CHECK_MESSAGE(contains(up.err, "free space"), up.err);
        REQUIRE(::unlink((root + "/ballast").c_str()) == 0);
        box.davit_ok({"up", "-d"});
        fill(root);
        // Views, and what frees space, need none.
        for (const char* word : {"ps", "stop", "down"}) {
            const Outcome outcome = bounded(box, {word});
            CHECK_MESSAGE(outcome.status == 0, word, ": ", outcome.err);
        }
        REQUIRE(::unlink((root + "/ballast").c_str()) == 0);
        check_goes_on(box);
        check_goes_down(box, before);
    }
}
