#include "stack/cdi.h"

#include "base/file.h"
#include "tests/support/temp_dir.h"
#include "tests/support/text.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::stack;
using davit::testing::contains;
using davit::testing::TempDir;

namespace {

constexpr const char* kVendor = R"(cdiVersion: 0.6.0
kind: vendor.com/device
devices:
  - name: one
    containerEdits:
      env: [ONE=1, SHARED=device]
      deviceNodes:
        - {path: /dev/vendor0, hostPath: /dev/full, permissions: rw, uid: 5, fileMode: 432}
      mounts:
        - {hostPath: /usr/lib/vendor, containerPath: /opt/vendor, options: [ro, nosuid]}
  - name: two
    containerEdits:
      deviceNodes: [{path: /dev/null}]
      additionalGids: [44]
containerEdits:
  env: [SHARED=all]
  hooks:
    - {hookName: createContainer, path: /usr/bin/vendor-hook, args: [vendor-hook, link], timeout: 5}
)";

struct Folders {
    TempDir dir;
    std::vector<std::string> all() const { return {dir / "etc", dir / "run"}; }
    void write(const std::string& name, const std::string& text) const {
        REQUIRE(make_directories(dir / name.substr(0, name.find('/')), 0755).ok());
        REQUIRE(write_in_place(dir / name, text, 0644).ok());
    }
    Result<CdiEdits> find(const std::vector<std::string>& names) const {
        std::vector<compose::CdiDevice> wanted;
        for (const std::string& name : names) wanted.push_back({name, "devices"});
        return find_cdi_devices(wanted, all());
    }
};

}  // namespace

TEST_CASE("a vendor's file says what a container needs for its devices") {
    const Folders folders;
    folders.write("etc/vendor.yaml", kVendor);
    const auto both = folders.find({"vendor.com/device=one", "vendor.com/device=two"});
    REQUIRE_MESSAGE(both.ok(), (both ? "" : both.error().to_string()));
    CHECK(both->env == std::map<std::string, std::string>{{"ONE", "1"}, {"SHARED", "device"}});
    REQUIRE(both->devices.size() == 2);
    const DeviceNode& first = both->devices[0];
    CHECK(first.target == "/dev/vendor0");
    CHECK(first.permissions == "rw");
    CHECK(first.number.major == 1);
    CHECK(first.number.minor == 7);
    CHECK(first.mode == 0660);
    CHECK(first.uid == 5);
    CHECK(both->devices[1].target == "/dev/null");
    REQUIRE(both->mounts.size() == 1);
    CHECK(both->mounts[0].source == "/usr/lib/vendor");
    CHECK(both->mounts[0].options == std::vector<std::string>{"ro", "nosuid"});
    CHECK(both->groups == std::vector<std::uint32_t>{44});
    const Json hook = {
        {"path", "/usr/bin/vendor-hook"}, {"args", {"vendor-hook", "link"}}, {"timeout", 5}};
    CHECK(both->hooks == Json{{"createContainer", Json::array({hook})}});
    CHECK(folders.find({})->devices.empty());
}

TEST_CASE("of two descriptions that of the later folder counts") {
    const Folders folders;
    folders.write("etc/a.json", R"({"cdiVersion":"0.5.0","kind":"v.com/c","devices":[
        {"name":"x","containerEdits":{"env":["WHERE=etc"]}}]})");
    folders.write("run/b.json", R"({"cdiVersion":"0.5.0","kind":"v.com/c","devices":[
        {"name":"x","containerEdits":{"env":["WHERE=run"]}}]})");
    CHECK(folders.find({"v.com/c=x"})->env.at("WHERE") == "run");
}

TEST_CASE("devices that nobody describes, and files that are none, are told with a cure") {
    const Folders folders;
    const auto none = folders.find({"nvidia.com/gpu=all"});
    REQUIRE_FALSE(none.ok());
    CHECK(none.error().kind() == ErrorKind::NotFound);
    CHECK(contains(none.error().help(), "nvidia-ctk cdi generate"));
    folders.write("etc/vendor.yaml", kVendor);
    CHECK(contains(folders.find({"vendor.com/device=three"}).error().help(),
                   "there are: vendor.com/device=one, vendor.com/device=two"));
    const Folders broken;
    broken.write("etc/x.yaml", "kind: [");
    CHECK(contains(broken.find({"v.com/c=x"}).error().help(), "x.yaml"));
    const struct {
        const char* edits;
        const char* said;
    } bad[] = {{"env: [NOTHING]", "'NOTHING' is no environment variable"},
               {"deviceNodes: [{path: /dev/nowhere-at-all}]", "no device '/dev/nowhere-at-all'"},
               {"deviceNodes: [{path: ../x, hostPath: /dev/null}]", "is not absolute"},
               {"mounts: [{hostPath: /x}]", "absolute 'containerPath'"},
               {"hooks: [{hookName: whenever, path: /x}]", "hook 'whenever'"},
               {"intelRdt: {closID: x}", "intelRdt"}};
    for (const auto& row : bad) {
        const Folders one;
        one.write("etc/x.yaml", std::string("cdiVersion: 0.5.0\nkind: v.com/c\ndevices:\n  - name: "
                                            "x\n    containerEdits:\n      ") +
                                    row.edits + "\n");
        const auto found = one.find({"v.com/c=x"});
        REQUIRE_FALSE(found.ok());
        CHECK_MESSAGE(contains(found.error().to_string(), row.said), found.error().to_string());
    }
}
