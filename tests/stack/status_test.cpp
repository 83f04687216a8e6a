#include "stack/status.h"

#include "base/sys.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <unistd.h>

using namespace davit;
using namespace davit::stack;
using davit::testing::TempDir;

namespace {

struct Fixture {
    TempDir dir = {};
    Paths paths = {};

    Fixture() {
        paths.data_root = dir / "data";
        paths.run_root = dir / "run";
    }

    void add(const std::string& project, const std::string& service, int number,
             const std::string& id) {
        ContainerRecord record;
        record.id = id;
        record.project = project;
        record.service = service;
        record.number = number;
        record.name = fmt::format("{}-{}-{}", project, service, number);
        REQUIRE(write_record(paths, record).ok());
    }

    std::string find(const std::string& project, const std::string& text) const {
        const Result<ContainerView> found = find_container(paths, project, text);
        return found ? found->record.name : "error: " + found.error().to_string();
    }
};

}  // namespace

TEST_CASE("containers are listed by name with what the kernel says of them") {
    Fixture f;
    f.add("shop", "web", 1, "aa11");
    f.add("shop", "db", 1, "aa22");
    f.add("blog", "web", 1, "bb33");
    const std::string run_dir = f.paths.run_container("shop", "shop-web-1");
    REQUIRE(make_directories(run_dir, 0700).ok());
    runtime::ContainerState state;
    state.status = runtime::Status::Running;
    state.pid = ::getpid();
    state.start_ticks = *sys::start_time(::getpid());
    state.guard_pid = state.pid;
    state.guard_start_ticks = state.start_ticks;
    REQUIRE(runtime::write_state(run_dir, state).ok());

    const auto views = list_containers(f.paths, "shop");
    REQUIRE(views.ok());
    REQUIRE(views->size() == 2);
    CHECK((*views)[0].record.name == "shop-db-1");
    CHECK((*views)[0].state.status == runtime::Status::Created);
    CHECK(!(*views)[0].supervised);
    CHECK((*views)[1].record.name == "shop-web-1");
    CHECK((*views)[1].state.status == runtime::Status::Running);
    CHECK((*views)[1].supervised);

    const auto all = list_all_containers(f.paths);
    REQUIRE(all.ok());
    REQUIRE(all->size() == 3);
    CHECK((*all)[0].record.name == "blog-web-1");
}

TEST_CASE("a container is found by name by id and by service") {
    Fixture f;
    f.add("shop", "web", 2, "aa11");
    f.add("shop", "web", 1, "aa22");
    f.add("blog", "web", 1, "bb33");
    struct Case {
        const char* project;
        const char* text;
        const char* expected;
    };
    const Case cases[] = {
        {"", "shop-web-2", "shop-web-2"},
        {"blog", "shop-web-2", "shop-web-2"},
        {"shop", "web", "shop-web-1"},
        {"blog", "web", "blog-web-1"},
        {"", "web", "error: no container 'web'"},
        {"", "aa2", "shop-web-1"},
        {"", "bb", "blog-web-1"},
        {"", "aa", "error: 'aa' is the beginning of more than one container id"},
        {"shop", "", "error: no container ''"},
        {"shop", "zz\x1b", "error: no container 'zz\\x1b'"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.project);
        CAPTURE(c.text);
        CHECK(f.find(c.project, c.text) == c.expected);
    }
    CHECK(find_container(f.paths, "", "shop-wep-1").error().help() ==
          "the nearest name is 'shop-web-1'");
}
