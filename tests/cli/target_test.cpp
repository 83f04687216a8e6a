#include "cli/target.h"

#include "base/file.h"
#include "base/json.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::cli;
using davit::testing::TempDir;

namespace {

/// A project folder, a data root and a run root, all empty.
struct Fixture {
    TempDir dir = {};
    Context context = {};
    stack::Paths paths = {};

    Fixture() {
        context.working_dir = dir / "shop";
        context.environment["DAVIT_RUN_ROOT"] = dir / "run";
        paths.data_root = dir / "data";
        paths.run_root = dir / "run";
        REQUIRE(make_directories(context.working_dir, 0700).ok());
    }

    void write_file(const std::string& text) const {
        REQUIRE(write_atomically(context.working_dir + "/compose.yaml", text, 0644, Sync::No).ok());
    }

    void record(const std::string& project, const std::string& working_dir) const {
        stack::ContainerRecord container;
        container.id = "aa";
        container.name = project + "-web-1";
        container.project = project;
        container.service = "web";
        container.working_dir = working_dir;
        REQUIRE(stack::write_record(paths, container).ok());
    }

    /// The claim that a running project leaves in the run root.
    void claim(const std::string& project) const {
        REQUIRE(make_directories(paths.run_project(project), 0700).ok());
        const Json claim = {{"version", 1}, {"data_root", paths.data_root}};
        REQUIRE(write_json(paths.run_project(project) + "/.project.json", claim, Sync::No).ok());
    }

    std::string find(FileNeed need) const {
        const Result<TargetOrExit> found = find_target(context, need);
        if (!found) return "error: " + found.error().to_string();
        if (!found->target) return fmt::format("exit {}", found->exit_code);
        const std::string& root = found->target->environment.paths.data_root;
        return fmt::format("{} {} {}", found->target->project,
                           root == paths.data_root ? "data" : root,
                           found->target->loaded ? "file" : "no file");
    }
};

constexpr const char* kFile = "services: {web: {image: nginx}}\n";

}  // namespace

TEST_CASE("the file gives name and data root") {
    Fixture f;
    f.write_file("name: store\nx-davit: {data_root: " + f.paths.data_root + "}\n" + kFile);
    CHECK(f.find(FileNeed::Required) == "store data file");
    CHECK(f.find(FileNeed::Optional) == "store data file");
    f.context.globals.project_name = "other";
    CHECK(f.find(FileNeed::Required) == "other data file");
    f.context.environment["DAVIT_DATA_ROOT"] = "/variable";
    CHECK(f.find(FileNeed::Required) == "other /variable file");
    f.context.globals.data_root = "/flag";
    CHECK(f.find(FileNeed::Required) == "other /flag file");
}

TEST_CASE("no file and a broken file have a status of their own") {
    Fixture f;
    f.context.globals.data_root = f.paths.data_root;
    CHECK(f.find(FileNeed::Required) == "exit 14");
    f.context.globals.files = {"missing.yaml"};
    CHECK(f.find(FileNeed::Required) == "exit 14");
    CHECK(f.find(FileNeed::Optional) == "exit 14");
    f.context.globals.files = {};
    f.write_file("services: {web: {imgae: nginx}}\n");
    CHECK(f.find(FileNeed::Required) == "exit 15");
    CHECK(f.find(FileNeed::Optional) == " data no file");
}

TEST_CASE("without a file the folder of its containers names the project") {
    Fixture f;
    f.context.globals.data_root = f.paths.data_root;
    CHECK(f.find(FileNeed::Optional) == " data no file");
    // A project of that name that lives in another folder is somebody else's.
    f.record("shop", "/elsewhere/shop");
    CHECK(f.find(FileNeed::Optional) == " data no file");
    f.record("store", f.context.working_dir);
    CHECK(f.find(FileNeed::Optional) == "store data no file");
    f.record("second", f.context.working_dir);
    CHECK(f.find(FileNeed::Optional) ==
          fmt::format("error: more than one project was made from '{}': 'second', 'store'",
                      f.context.working_dir));
    f.context.globals.project_name = "second";
    CHECK(f.find(FileNeed::Optional) == "second data no file");
}

TEST_CASE("a project without a record is found by the name of its folder") {
    Fixture f;
    f.context.globals.data_root = f.paths.data_root;
    REQUIRE(make_directories(f.paths.container("shop", "shop-web-1"), 0700).ok());
    CHECK(f.find(FileNeed::Optional) == "shop data no file");
}

TEST_CASE("a project that is up is found on its own data root") {
    Fixture f;
    f.record("shop", f.context.working_dir);
    f.claim("shop");
    CHECK(f.find(FileNeed::Optional) == "shop data no file");
    f.context.globals.project_name = "shop";
    CHECK(f.find(FileNeed::Optional) == "shop data no file");
    // Also where the file has come to name another place.
    f.write_file(std::string("x-davit: {data_root: /moved}\n") + kFile);
    CHECK(f.find(FileNeed::Optional) == "shop data file");
    CHECK(f.find(FileNeed::Required) == "shop /moved file");
}

TEST_CASE("a name that would lead out of the data root is refused") {
    Fixture f;
    for (const char* name : {"..", "../x", "a/b", "A", ".hidden", "a\x1b"}) {
        CAPTURE(name);
        f.context.globals.project_name = name;
        const Result<TargetOrExit> found = find_target(f.context, FileNeed::Optional);
        CHECK(!found.ok());
    }
}

TEST_CASE("images follow the file at hand and don't mind its mistakes") {
    Fixture f;
    CHECK(*image_data_root(f.context) == "/var/lib/davit");
    f.write_file("x-davit: {data_root: /big}\n" + std::string(kFile));
    CHECK(*image_data_root(f.context) == "/big");
    f.write_file("services: [\n");
    CHECK(*image_data_root(f.context) == "/var/lib/davit");
    f.context.environment["DAVIT_DATA_ROOT"] = "/variable";
    CHECK(*image_data_root(f.context) == "/variable");
}

TEST_CASE("services that nobody knows are refused with the nearest name") {
    Target target;
    stack::ContainerView view;
    view.record.service = "web";
    CHECK(check_services(target, {"web"}, {view}).ok());
    const Result<void> refused = check_services(target, {"wep"}, {view});
    CHECK(refused.error().to_string() == "no such service: wep");
    CHECK(refused.error().help() == "the nearest name is 'web'");
}
