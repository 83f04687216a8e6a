#include "stack/boot.h"

#include "base/file.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::stack;
using Condition = compose::RestartPolicy::Condition;

TEST_CASE("what comes back after a reboot follows the policy and what the user has stopped") {
    struct Case {
        Condition condition;
        Ended ended;
        bool back;
    };
    const Ended runs{};
    const Ended by_user{true, true};
    const Ended by_itself{true, false};
    const Case cases[] = {
        {Condition::No, runs, false},
        {Condition::No, by_itself, false},
        {Condition::Always, runs, true},
        {Condition::Always, by_user, false},
        {Condition::Always, by_itself, true},  // it could not be started
        {Condition::UnlessStopped, runs, true},
        {Condition::UnlessStopped, by_user, false},
        {Condition::UnlessStopped, by_itself, true},
        {Condition::OnFailure, runs, true},
        {Condition::OnFailure, by_user, false},
        {Condition::OnFailure, by_itself, false},  // it went well, or failed too often
    };
    for (const Case& c : cases) {
        CAPTURE(static_cast<int>(c.condition));
        CAPTURE(c.ended.known);
        CAPTURE(c.ended.by_user);
        compose::RestartPolicy policy;
        policy.condition = c.condition;
        CHECK(comes_back(policy, c.ended) == c.back);
    }
}

TEST_CASE("how a container ended is read, and half a file tells nothing") {
    const davit::testing::TempDir dir;
    Paths paths;
    paths.data_root = dir.path();
    ContainerRecord record;
    record.project = "shop";
    record.name = "shop-web-1";
    const std::string folder = paths.container("shop", "shop-web-1");
    REQUIRE(make_directories(folder, 0755).ok());
    CHECK(!read_ended(paths, record).known);
    const auto write = [&](const char* text) {
        REQUIRE(write_in_place(folder + "/ended.json", text, 0600).ok());
    };
    write(R"({"exit_code": 0, "stopped_by_user": true})");
    CHECK(read_ended(paths, record).by_user);
    write(R"({"exit_code": 3, "stopped_by_user": false})");
    CHECK(read_ended(paths, record).known);
    CHECK(!read_ended(paths, record).by_user);
    // Ended by the end of the machine: it comes back, and lists tell how it ended.
    write(R"({"exit_code": 137, "stopped_by_user": true, "with_machine": true})");
    const Ended with_machine = read_ended(paths, record);
    CHECK(!with_machine.known);
    CHECK(!with_machine.by_user);
    CHECK(with_machine.told);
    CHECK(with_machine.exit_code == 137);
    for (const char* text : {"", "{\"exit_", "[]", "\0\0"}) {
        write(text);
        CHECK(!read_ended(paths, record).known);
    }
}

TEST_CASE("the unit calls davit and the drop-in names what must be mounted") {
    const std::string unit = unit_template("/usr/bin/davit");
    CHECK(unit.find("\nExecStart=/usr/bin/davit boot up %i\n") != std::string::npos);
    CHECK(unit.find("\nExecStop=/usr/bin/davit boot down %i\n") != std::string::npos);
    CHECK(unit.find("\nKillMode=process\n") != std::string::npos);
    CHECK(unit_name("shop") == "davit@shop.service");
    BootUnit project;
    project.project = "shop";
    project.data_root = "/big disk/100%";
    project.mounts = {"/srv/a \"b\""};
    CHECK(unit_drop_in(project) ==
          "# Made by 'davit enable'; 'davit disable' removes it.\n"
          "[Unit]\n"
          "RequiresMountsFor=\"/big disk/100%%\"\n"
          "RequiresMountsFor=\"/srv/a \\\"b\\\"\"\n"
          "\n[Service]\n"
          "Environment=\"DAVIT_DATA_ROOT=/big disk/100%%\"\n");
}

TEST_CASE("enabling twice is enabling once and disabling leaves nothing of the project") {
    const davit::testing::TempDir root;
    BootUnit unit;
    unit.project = "shop";
    unit.data_root = "/var/lib/davit";
    unit.program = "/opt/davit/bin/davit";
    const std::string units = root / "etc/systemd/system";
    CHECK(!is_enabled(root.path(), "shop"));
    for (int i = 0; i < 2; ++i) {
        REQUIRE(enable_unit(root.path(), unit).ok());
        CHECK(is_enabled(root.path(), "shop"));
        CHECK(!is_enabled(root.path(), "other"));
    }
    CHECK(*read_file(units + "/davit@.service") == unit_template(unit.program));
    CHECK(exists(units + "/davit@shop.service.d/davit.conf"));
    CHECK(*disable_unit(root.path(), "shop"));
    CHECK(!is_enabled(root.path(), "shop"));
    CHECK(!exists(units + "/davit@shop.service.d"));
    CHECK(!*disable_unit(root.path(), "shop"));
}

TEST_CASE("a template that a package has brought is taken") {
    const davit::testing::TempDir root;
    REQUIRE(make_directories(root / "usr/lib/systemd/system", 0755).ok());
    REQUIRE(write_in_place(root / "usr/lib/systemd/system/davit@.service", "[Unit]\n", 0644).ok());
    BootUnit unit;
    unit.project = "shop";
    REQUIRE(enable_unit(root.path(), unit).ok());
    CHECK(is_enabled(root.path(), "shop"));
    CHECK(!exists(root / "etc/systemd/system/davit@.service"));
}
