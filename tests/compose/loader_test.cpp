#include "compose/loader.h"

#include "compose/project_name.h"
#include "tests/compose/support.h"

#include <fcntl.h>
#include <unistd.h>

namespace davit::compose {
namespace {

using testing::ScratchFolder;

constexpr const char* kWeb = "services: {web: {image: nginx}}\n";

struct Outcome {
    std::optional<LoadedProject> loaded = {};
    std::string remarks = {};
};

Outcome load(const LoadOptions& options) {
    Diagnostics diagnostics;
    Outcome outcome;
    outcome.loaded = load_project(options, diagnostics);
    outcome.remarks = testing::summary(diagnostics);
    return outcome;
}

std::string name_with(const ScratchFolder& folder, LoadOptions options) {
    options.working_dir = folder.path();
    const Outcome outcome = load(options);
    return outcome.loaded ? outcome.loaded->project.name : outcome.remarks;
}

}  // namespace

TEST_CASE("the file is looked for upward") {
    const ScratchFolder folder;
    folder.write("docker-compose.yml", kWeb);
    folder.write("sub/deep/.keep", "");
    LoadOptions options = folder.options();
    CHECK(find_compose_file(options) == folder.path() + "/docker-compose.yml");
    options.working_dir = folder.path() + "/sub/deep";
    CHECK(find_compose_file(options) == folder.path() + "/docker-compose.yml");
    const Outcome outcome = load(options);
    REQUIRE(outcome.loaded);
    CHECK(outcome.loaded->project.working_dir == folder.path());
    CHECK(outcome.loaded->project.name == "shop");

    folder.write("compose.yaml", kWeb);
    CHECK(find_compose_file(folder.options()) == folder.path() + "/compose.yaml");
    CHECK(load(folder.options()).remarks ==
          "'compose.yaml' is used, and 'docker-compose.yml' beside it is not\n");
}

TEST_CASE("no file is an error with a cure") {
    const ScratchFolder folder;
    CHECK(!find_compose_file(folder.options()));
    CHECK(load(folder.options()).remarks ==
          "there is no compose file in '" + folder.path() + "' or a folder above it\n");
    LoadOptions named = folder.options();
    named.files = {"nope.yaml"};
    CHECK(load(named).remarks == "there is no file '" + folder.path() + "/nope.yaml'\n");
}

TEST_CASE("files are named by -f and by COMPOSE_FILE") {
    const ScratchFolder folder;
    folder.write("a/one.yaml", "services: {web: {image: one, volumes: [./x:/x]}}\n");
    folder.write("two.yaml", "services: {web: {image: two}}\n");
    folder.write("compose.yaml", kWeb);
    folder.write("compose.override.yaml", "services: {web: {image: no}}\n");

    LoadOptions options = folder.options();
    options.files = {"a/one.yaml", "two.yaml"};
    Outcome outcome = load(options);
    REQUIRE(outcome.loaded);
    const Project& project = outcome.loaded->project;
    CHECK(project.name == "a");
    CHECK(project.working_dir == folder.path() + "/a");
    CHECK(project.services.at("web").image == "two");
    CHECK(project.services.at("web").volumes[0].source == folder.path() + "/a/x");
    CHECK(project.files ==
          std::vector<std::string>{folder.path() + "/a/one.yaml", folder.path() + "/two.yaml"});

    options.project_directory = "elsewhere";
    CHECK(load(options).loaded->project.working_dir == folder.path() + "/elsewhere");

    options = folder.options();
    options.environment["COMPOSE_FILE"] = "two.yaml:a/one.yaml";
    outcome = load(options);
    REQUIRE(outcome.loaded);
    CHECK(outcome.loaded->project.services.at("web").image == "one");

    folder.write(".env", "COMPOSE_FILE=two.yaml\n");
    CHECK(load(folder.options()).loaded->project.services.at("web").image == "two");

    // --env-file takes the place of .env for this, too.
    folder.write("other.env", "COMPOSE_FILE=a/one.yaml\n");
    options = folder.options();
    options.env_files = {"other.env"};
    CHECK(load(options).loaded->project.services.at("web").image == "one");
    options = folder.options();
    options.environment["COMPOSE_DISABLE_ENV_FILE"] = "1";
    CHECK(load(options).loaded->project.services.at("web").image == "no");
}

TEST_CASE("a dash reads standard input") {
    const ScratchFolder folder;
    folder.write("input", "services: {web: {image: piped, usr: 1}}\n");
    const int saved = ::dup(STDIN_FILENO);
    const int input = ::open((folder.path() + "/input").c_str(), O_RDONLY | O_CLOEXEC);
    REQUIRE(input >= 0);
    REQUIRE(::dup2(input, STDIN_FILENO) == STDIN_FILENO);
    LoadOptions options = folder.options();
    options.files = {"-"};
    const Outcome outcome = load(options);
    ::dup2(saved, STDIN_FILENO);
    ::close(saved);
    ::close(input);
    CHECK(outcome.remarks == "<stdin>:1:32: unknown key 'usr' in service 'web'\n");
}

TEST_CASE("the project takes its name from the nearest that says one") {
    const ScratchFolder folder;
    folder.write("compose.yaml", kWeb);
    CHECK(name_with(folder, {}) == "shop");
    folder.write("compose.yaml", std::string("name: My ${KIND:-Shop}!\n") + kWeb);
    CHECK(name_with(folder, {}) == "myshop");
    folder.write(".env", "COMPOSE_PROJECT_NAME=dot\n");
    CHECK(name_with(folder, {}) == "dot");
    LoadOptions options;
    options.environment = {{"COMPOSE_PROJECT_NAME", "env"}};
    CHECK(name_with(folder, options) == "env");
    options.project_name = "flag";
    CHECK(name_with(folder, options) == "flag");
    options.project_name = "Flag";
    CHECK(name_with(folder, options) == "the project name 'Flag' of -p can't be used\n");
    options.project_name = "../x";
    CHECK(name_with(folder, options) == "the project name '../x' of -p can't be used\n");
    folder.write(".env", "");
    folder.write("compose.yaml", std::string("name: \"...\"\n") + kWeb);
    CHECK(name_with(folder, {}) == "compose.yaml:1:7: '...' gives no name for the project\n");
}

TEST_CASE("project names are made well formed") {
    CHECK(normalize_project_name("My App") == "myapp");
    CHECK(normalize_project_name("a.b") == "ab");
    CHECK(normalize_project_name("Foo_Bar-1") == "foo_bar-1");
    CHECK(normalize_project_name("__-x") == "x");
    CHECK(normalize_project_name("\xC3\xA9...") == "");
}

TEST_CASE("variables come from the process then from env files") {
    const ScratchFolder folder;
    folder.write(
        "compose.yaml",
        "services: {web: {image: \"$A-$B-$COMPOSE_PROJECT_NAME\", environment: [A, C]}}\n");
    folder.write(".env", "A=dot\nB=dot\nC=dot\n");
    folder.write("one.env", "A=one\nB=one\n");
    folder.write("two.env", "B=two\n");
    LoadOptions options = folder.options();
    options.environment["A"] = "process";
    Outcome outcome = load(options);
    REQUIRE(outcome.loaded);
    CHECK(outcome.loaded->project.services.at("web").image == "process-dot-shop");
    CHECK(outcome.loaded->project.services.at("web").environment ==
          std::map<std::string, std::string>{{"A", "process"}, {"C", "dot"}});

    options.env_files = {"one.env", "two.env"};
    outcome = load(options);
    REQUIRE(outcome.loaded);
    CHECK(outcome.loaded->project.services.at("web").image == "process-two-shop");
    CHECK(!outcome.loaded->project.services.at("web").environment.contains("C"));

    options.env_files = {"none.env"};
    CHECK(!load(options).loaded);
}

TEST_CASE("a folder named .env is no env file") {
    const ScratchFolder folder;
    folder.write("compose.yaml", kWeb);
    folder.write(".env/bin/python", "");
    const Outcome outcome = load(folder.options());
    CHECK(outcome.remarks == "");
    CHECK(outcome.loaded.has_value());
}

}  // namespace davit::compose
