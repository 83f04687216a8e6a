#include "cli/data_root.h"

#include "base/file.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

using namespace davit;
using namespace davit::cli;
using davit::testing::TempDir;

TEST_CASE("the data root comes from the first that names one") {
    DataRootSources sources;
    CHECK(choose_data_root(sources, "/w") == "/var/lib/davit");
    sources.host_config = "/host";
    CHECK(choose_data_root(sources, "/w") == "/host");
    sources.file = "/file";
    CHECK(choose_data_root(sources, "/w") == "/file");
    sources.running = "/running";
    CHECK(choose_data_root(sources, "/w") == "/running");
    sources.variable = "/variable";
    CHECK(choose_data_root(sources, "/w") == "/variable");
    sources.flag = "/flag/";
    CHECK(choose_data_root(sources, "/w") == "/flag");
    sources.flag = "sub/../big";
    CHECK(choose_data_root(sources, "/w") == "/w/big");
}

TEST_CASE("the host configuration names pools of addresses") {
    struct Case {
        const char* text;
        const char* expected;
    };
    const Case cases[] = {
        {"address_pools: [{base: 10.10.0.0/16, size: 24}, {base: \"fd00::/56\", size: 64}]\n",
         "10.10.0.0/16 24 fd00::/56 64 "},
        {"address_pools: 5\n", "error: 'address_pools' must be a list"},
        {"address_pools: [{base: 10.10.0.0/16}]\n",
         "error: an address pool is a mapping of 'base' and 'size'"},
        {"address_pools: [{base: 10.10.0.0, size: 24}]\n",
         "error: '10.10.0.0' is not a network such as 10.1.0.0/16"},
        {"address_pools: [{base: 10.10.0.1/16, size: 24}]\n",
         "error: the bits behind the network of '10.10.0.1/16' must be 0"},
        {"address_pools: [{base: 10.10.0.0/16, size: 8}]\n",
         "error: the size of a pool's networks must be 16 to 30, not '8'"},
    };
    const TempDir dir;
    const std::string path = dir / "config.yaml";
    for (const Case& c : cases) {
        CAPTURE(c.text);
        REQUIRE(write_atomically(path, c.text, 0644, Sync::No).ok());
        const Result<HostConfig> found = read_host_config(path);
        std::string said = found ? "" : "error: " + found.error().to_string();
        for (const network::Pool& pool :
             found ? found->address_pools : std::vector<network::Pool>())
            said += fmt::format("{} {} ", to_string(pool.base), pool.size);
        CHECK(said == c.expected);
    }
}

TEST_CASE("the host configuration names the data root and nothing else") {
    struct Case {
        const char* text;
        const char* expected;
    };
    const Case cases[] = {
        {"data_root: /big/disk\n", "/big/disk"},
        {"", ""},
        {"# nothing\n", ""},
        {"data-root: /x\n", "error: unknown key 'data-root'"},
        {"data_root: [a]\n", "error: 'data_root' must be an absolute path, not a list"},
        {"- a\n", "error: the configuration is not a mapping"},
    };
    const TempDir dir;
    const std::string path = dir / "config.yaml";
    for (const Case& c : cases) {
        CAPTURE(c.text);
        REQUIRE(write_atomically(path, c.text, 0644, Sync::No).ok());
        const Result<HostConfig> found = read_host_config(path);
        CHECK((found ? found->data_root : "error: " + found.error().to_string()) == c.expected);
        if (!found) CHECK(found.error().where().line == 1);
    }
    CHECK(read_host_config(dir / "missing.yaml")->data_root.empty());
    REQUIRE(write_atomically(path, "data_root: relative\n", 0644, Sync::No).ok());
    CHECK(!read_host_config(path).ok());
}

TEST_CASE("the run root and the runtime can be set by the environment") {
    Context context;
    context.working_dir = "/w";
    CHECK(run_root(context) == "/run/davit");
    context.environment["DAVIT_RUN_ROOT"] = "run";
    CHECK(run_root(context) == "/w/run");
    context.environment["DAVIT_RUNTIME"] = "/x/davit-runtime";
    CHECK(*find_runtime(context) == "/x/davit-runtime");
}
