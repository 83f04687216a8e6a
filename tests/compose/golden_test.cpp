#include "tests/compose/support.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <vector>

// Each folder below golden/ is a project with a mistake in it, and expected.txt is what its author
// reads. `DAVIT_UPDATE_GOLDEN=1 test_compose -tc='every mistake*'` writes what is said now: read
// the difference as an author would before it is committed.
namespace davit::compose {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        lines.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return lines;
}

/// The lines between the equal beginning and the equal end: "-" for expected, "+" for said.
std::string difference(const std::string& expected, const std::string& said) {
    const std::vector<std::string> old_lines = lines_of(expected);
    const std::vector<std::string> new_lines = lines_of(said);
    const std::size_t shorter = std::min(old_lines.size(), new_lines.size());
    std::size_t same = 0;
    while (same < shorter && old_lines[same] == new_lines[same]) ++same;
    std::size_t tail = 0;
    while (tail < shorter - same &&
           old_lines[old_lines.size() - 1 - tail] == new_lines[new_lines.size() - 1 - tail])
        ++tail;
    std::string text = fmt::format("at line {}:\n", same + 1);
    for (std::size_t i = same; i + tail < old_lines.size(); ++i) text += "- " + old_lines[i] + "\n";
    for (std::size_t i = same; i + tail < new_lines.size(); ++i) text += "+ " + new_lines[i] + "\n";
    return text;
}

/// What the loader says of a folder, with its paths relative to it.
std::string said_of(const std::string& folder, bool show) {
    LoadOptions options;
    options.working_dir = folder;
    options.environment = {{"HOME", "/home/tester"}};
    options.purpose = show ? LoadOptions::Purpose::Show : LoadOptions::Purpose::Run;
    Diagnostics diagnostics;
    const bool loaded = load_project(options, diagnostics).has_value();
    CHECK(loaded == diagnostics.ok());
    std::string text = testing::rendered(diagnostics);
    for (std::size_t at = text.find(folder + "/"); at != std::string::npos;
         at = text.find(folder + "/", at))
        text.erase(at, folder.size() + 1);
    return text;
}

}  // namespace

TEST_CASE("every mistake of the golden folders is told as it was agreed") {
    constexpr int kLeast = 70;  // a wrong path must not pass for no mistakes
    std::vector<std::filesystem::path> folders;
    for (const auto& entry : std::filesystem::directory_iterator(DAVIT_GOLDEN_FOLDER))
        if (entry.is_directory()) folders.push_back(entry.path());
    std::sort(folders.begin(), folders.end());
    CHECK(folders.size() >= kLeast);
    const char* update = std::getenv("DAVIT_UPDATE_GOLDEN");
    for (const std::filesystem::path& folder : folders) {
        const std::string name = folder.filename();
        CAPTURE(name);
        const std::string said = said_of(folder, name.starts_with("show-"));
        const std::string file = folder / "expected.txt";
        if (update != nullptr && std::string(update) == "1") {
            CHECK(write_in_place(file, said, 0644).ok());
            continue;
        }
        const Result<std::string> expected = read_file(file, std::size_t{1} << 20U);
        REQUIRE_MESSAGE(expected.ok(), "make it with DAVIT_UPDATE_GOLDEN=1");
        const bool same = *expected == said;
        CHECK_MESSAGE(same, difference(*expected, said));
    }
}

}  // namespace davit::compose
