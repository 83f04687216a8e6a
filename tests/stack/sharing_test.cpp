#include "stack/sharing.h"

#include <doctest/doctest.h>

// Who joins whose namespaces.
using namespace davit;
using namespace davit::stack;

namespace {

ContainerRecord container(const std::string& service, int number, std::uint32_t uid_base,
                          const std::string& ipc = "") {
    ContainerRecord record;
    record.project = "shop";
    record.service = service;
    record.number = number;
    record.name = "shop-" + service + "-" + std::to_string(number);
    record.uid_base = uid_base;
    record.sharing.ipc = ipc;
    return record;
}

std::map<std::string, ContainerRecord> named(std::initializer_list<ContainerRecord> records) {
    std::map<std::string, ContainerRecord> table;
    for (const ContainerRecord& record : records) table[record.name] = record;
    return table;
}

}  // namespace

TEST_CASE("a service joins the first container of another and takes its users") {
    const auto project =
        named({container("db", 2, 655360), container("db", 1, 589824, "shareable")});
    compose::Service service;
    CHECK(find_joins({}, service, project)->run_dirs.empty());
    service.sharing.ipc = "service:db";
    service.sharing.pid = "service:db";
    const Result<Joins> joins = find_joins({}, service, project);
    REQUIRE(joins);
    CHECK(joins->uid_base == 589824);
    CHECK(joins->run_dirs.at("ipc") == "/run/davit/shop/shop-db-1");
    CHECK(joins->run_dirs.at("pid") == "/run/davit/shop/shop-db-1");
    CHECK(joins->shm_dir == "/run/davit/shop/shop-db-1/shm");
}

TEST_CASE("who may not be joined, or isn't there, is said") {
    const auto project = named({container("db", 1, 589824), container("cache", 1, 655360)});
    compose::Service service;
    service.sharing.ipc = "service:db";
    Result<Joins> joins = find_joins({}, service, project);
    REQUIRE(!joins);
    CHECK(joins.error().to_string() == "container 'shop-db-1' doesn't share its IPC namespace");
    service.sharing.ipc = "";
    service.sharing.pid = "service:nobody";
    CHECK(find_joins({}, service, project).error().kind() == ErrorKind::NotFound);
}

TEST_CASE("containers come after those that they join") {
    std::map<std::string, compose::DesiredContainer> containers;
    const auto add = [&](const std::string& service, const std::string& pid) {
        containers[service].service = service;
        containers[service].config.sharing.pid = pid;
    };
    add("a", "service:b");
    add("b", "service:c");
    add("c", "");
    add("d", "service:elsewhere");
    CHECK(joined_first({"a", "b", "c", "d"}, containers) ==
          std::vector<std::string>{"c", "d", "b", "a"});
}
