#include "base/file.h"
#include "builder/dockerfile.h"

#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>

// Each NAME.Dockerfile of golden/ is a file with mistakes, and NAME.txt is what its author reads.
// `DAVIT_UPDATE_GOLDEN=1 test_builder -tc='every mistake*'` writes what is said now: read the
// difference as an author would before it is committed.
namespace davit::builder {
namespace {

std::string said_of(const std::string& path) {
    const auto text = read_file(path, std::size_t{1} << 20U);
    REQUIRE(text.ok());
    Diagnostics diagnostics;
    const auto parsed = parse_dockerfile(
        std::make_shared<const SourceFile>(SourceFile{"Dockerfile", *text}), diagnostics);
    CHECK(parsed.has_value() == diagnostics.ok());
    std::string said;
    for (const Diagnostic& diagnostic : diagnostics.list()) said += render(diagnostic);
    return said;
}

}  // namespace

TEST_CASE("every mistake of the golden Dockerfiles is told as it was agreed") {
    constexpr int kLeast = 15;  // a wrong path must not pass for no mistakes
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(DAVIT_GOLDEN_FOLDER))
        if (entry.path().extension() == ".Dockerfile") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    CHECK(files.size() >= kLeast);
    const char* update = std::getenv("DAVIT_UPDATE_GOLDEN");
    for (std::filesystem::path file : files) {
        const std::string name = file.filename();
        CAPTURE(name);
        const std::string said = said_of(file);
        CHECK_FALSE(said.empty());
        file.replace_extension(".txt");
        if (update != nullptr && std::string(update) == "1") {
            CHECK(write_in_place(file, said, 0644).ok());
            continue;
        }
        const Result<std::string> expected = read_file(file, std::size_t{1} << 20U);
        REQUIRE_MESSAGE(expected.ok(), "make it with DAVIT_UPDATE_GOLDEN=1");
        CHECK(*expected == said);
    }
}

}  // namespace davit::builder
