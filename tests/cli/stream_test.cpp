#include "cli/stream.h"

#include "tests/support/temp_dir.h"

#include <csignal>
#include <doctest/doctest.h>
#include <poll.h>
#include <thread>

using namespace davit;
using namespace davit::cli;
using davit::testing::TempDir;

namespace {

bool becomes_readable(int fd) {
    pollfd waiting{fd, POLLIN, 0};
    return ::poll(&waiting, 1, 10000) == 1;
}

bool is_quiet(int fd) {
    pollfd waiting{fd, POLLIN, 0};
    return ::poll(&waiting, 1, 0) == 0;
}

}  // namespace

TEST_CASE("a watch wakes for states and signals and other threads") {
    const TempDir dir;
    const Result<Interrupts> interrupts = Interrupts::install(100);
    REQUIRE(interrupts.ok());
    const auto watch = ContainerWatch::create(*interrupts, {dir.path(), dir / "gone"});
    REQUIRE(watch.ok());
    CHECK(is_quiet(watch->fd()));

    REQUIRE(runtime::write_state(dir.path(), {}).ok());
    CHECK(becomes_readable(watch->fd()));
    watch->drain();
    CHECK(is_quiet(watch->fd()));

    std::thread([&] { watch->wake(); }).join();
    CHECK(becomes_readable(watch->fd()));
    watch->drain();

    ::raise(SIGINT);
    CHECK(becomes_readable(watch->fd()));
    watch->drain();
    CHECK(is_quiet(watch->fd()));
    CHECK(Interrupts::count() == 1);
}

TEST_CASE("streaming ends when the last container has ended") {
    const TempDir dir;
    StreamRequest request;
    request.paths.run_root = dir.path();
    stack::ContainerView view;
    view.record.name = "shop-web-1";
    view.record.project = "shop";
    view.record.log_path = dir / "container.log";
    const std::string run_dir = request.paths.run_container("shop", "shop-web-1");
    REQUIRE(make_directories(run_dir, 0700).ok());
    view.state.status = runtime::Status::Restarting;
    REQUIRE(runtime::write_state(run_dir, view.state).ok());
    request.views = {view};

    const Result<Interrupts> interrupts = Interrupts::install(100);
    REQUIRE(interrupts.ok());
    const auto watch = ContainerWatch::create(*interrupts, run_dirs(request.paths, request.views));
    REQUIRE(watch.ok());
    std::thread guard([&] {
        runtime::ContainerState ended;
        ended.status = runtime::Status::Exited;
        CHECK(runtime::write_state(run_dir, ended).ok());
    });
    CHECK(stream(request, &*watch, [] { return false; }).ok());
    guard.join();
    // And at once where its caller wants no more.
    REQUIRE(runtime::write_state(run_dir, view.state).ok());
    CHECK(stream(request, &*watch, [] { return true; }).ok());
}
