#include "builder/mode_changes.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

namespace davit::builder {
namespace {

/// "644 755": what becomes of a file and of a folder with `mode`.
std::string changed(const char* text, mode_t mode) {
    const auto changes = ModeChanges::parse(text);
    if (!changes) return changes.error().to_string();
    return fmt::format("{:o} {:o}", changes->applied(mode, false), changes->applied(mode, true));
}

}  // namespace

TEST_CASE("modes in letters change what each file and folder has") {
    struct Case {
        const char* text;
        mode_t mode;
        const char* shown;  ///< Of a file, and of a folder.
    };
    const Case cases[] = {
        {"u=rwx,go=rx", 0600, "755 755"},  {"a+r", 0600, "644 644"},
        {"+x", 0644, "755 755"},  // a build has no umask
        {"u=rwX,go=rX", 0600, "644 755"},  {"go=X", 0744, "711 711"},
        {"go-rwx", 0777, "700 700"},       {"o=", 0777, "770 770"},
        {"u+s,g+s,+t", 0755, "7755 7755"}, {"u-s", 06755, "2755 2755"},
        {"u=rw", 04755, "655 655"},        {"o+s", 0755, "755 755"},
        {"g=u", 0640, "660 660"},          {"o+g-w", 0664, "664 664"},
        {"u+x-w", 0644, "544 544"},        {"ug+rw", 0000, "660 660"},
    };
    for (const Case& one : cases) {
        CAPTURE(one.text);
        CHECK(changed(one.text, one.mode) == one.shown);
    }
    CHECK(ModeChanges().applied(0640, false) == 0640);
}

TEST_CASE("what is no mode is told") {
    for (const char* text : {"", "u", "rwx", "u=q", "u+r,", "9", "ug", "u=gr", "u=rg", "u+a"}) {
        CAPTURE(text);
        const auto changes = ModeChanges::parse(text);
        REQUIRE(!changes.ok());
        CHECK(changes.error().to_string() == fmt::format("'{}' is no mode", text));
    }
}

}  // namespace davit::builder
