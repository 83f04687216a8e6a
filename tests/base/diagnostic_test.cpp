#include "base/diagnostic.h"

#include "base/cure.h"
#include "base/result.h"
#include "base/sys.h"

#include <cerrno>
#include <doctest/doctest.h>

using namespace davit;

TEST_CASE("render shows the place, the line and the way out") {
    auto file = std::make_shared<SourceFile>(
        SourceFile{"compose.yaml", "services:\n  web:\n    imgae: nginx:1.27\n"});
    const Diagnostic d{Severity::Error,
                       "unknown key 'imgae' in service 'web'",
                       {file, 3, 5, 5},
                       "the nearest key is 'image'",
                       {}};
    CHECK(render(d) ==
          "compose.yaml:3:5: error: unknown key 'imgae' in service 'web'\n"
          "    3 |     imgae: nginx:1.27\n"
          "      |     ^~~~~\n"
          "  help: the nearest key is 'image'\n");
}

namespace {
Result<int> inner() {
    return Error::from_errno(EPERM, "mount(2)").doing("mount '{}' on '{}'", "/srv", "/data");
}
Result<void> middle() {
    const int n = TRY_DOING(inner(), "mount volume '{}'", "data");
    (void)n;
    return {};
}
Result<std::string> outer() {
    TRY_DOING(middle(), "start container '{}'", "web-1");
    return std::string("x");
}
}  // namespace

TEST_CASE("an error reads as one sentence from the outside in") {
    const auto r = outer();
    REQUIRE_FALSE(r.ok());
    CHECK(r.error().kind() == ErrorKind::PermissionDenied);
    CHECK(
        r.error().to_string() ==
        "start container 'web-1': mount volume 'data': mount '/srv' on '/data': mount(2): Operation not "
        "permitted [EPERM]");
}

TEST_CASE("open names the path") {
    const auto r = sys::open("/no/such", 0);
    REQUIRE_FALSE(r.ok());
    CHECK(r.error().to_string() ==
          "open '/no/such': openat(2): No such file or directory [ENOENT]");
    CHECK(r.error().kind() == ErrorKind::NotFound);
}

TEST_CASE("remarks are sorted by place and warnings are no errors") {
    const auto file = std::make_shared<SourceFile>(SourceFile{"compose.yaml", "a: 1\nb: 2\n"});
    Diagnostics remarks;
    remarks.warning("second", {file, 2, 1, 1});
    CHECK(remarks.ok());
    remarks.error("first", {file, 1, 4, 1});
    CHECK_FALSE(remarks.ok());
    remarks.sort_by_place();
    CHECK(remarks.list()[0].message == "first");
    CHECK(remarks.list()[1].message == "second");
}

TEST_CASE("an error has its own cure, or that of its errno") {
    CHECK(cure_of(Error(ErrorKind::System, "it broke").help("mend it")) == "mend it");
    CHECK(cure_of(Error::from_errno(ENOSPC, "write(2)").help("mend it")) == "mend it");
    CHECK(cure_of(Error::from_errno(ENOSPC, "write(2)").doing("write 'x'")) ==
          "free space on that file system: 'df -h' and 'df -i' show what is full");
    CHECK(cure_of(Error::from_errno(EIO, "read(2)")) ==
          "look at what the kernel says about the disk: dmesg");
    CHECK(cure_of(Error::from_errno(EINVAL, "read(2)")).empty());
}
