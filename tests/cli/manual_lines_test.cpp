#include "base/file.h"
#include "base/strings.h"
#include "cli/app.h"
#include "compose/shell_words.h"

#include <doctest/doctest.h>
#include <filesystem>

using namespace davit;
using namespace davit::cli;

namespace {

std::vector<std::string> documents() {
    const std::filesystem::path top = DAVIT_SOURCE_DIR;
    std::vector<std::string> files = {top / "README.md", top / "samples/README.md"};
    for (const auto& entry : std::filesystem::directory_iterator(top / "docs"))
        if (entry.path().extension() == ".md") files.push_back(entry.path());
    for (const auto& entry : std::filesystem::directory_iterator(top / "samples"))
        if (entry.is_directory()) files.push_back(entry.path() / "README.md");
    return files;
}

/// A command line of davit that is shown as a line of its own; empty where `line` is something
/// else.
std::string shown_command(const std::string& line) {
    std::string text = line.starts_with("    ") ? line.substr(4) : "";
    if (text.starts_with("$ ")) text.erase(0, 2);
    return text.starts_with("davit ") ? text.substr(0, text.find(" #")) : "";
}

}  // namespace

TEST_CASE("every command line that the manual and the samples show is one that davit takes") {
    std::size_t seen = 0;
    for (const std::string& file : documents()) {
        const Result<std::string> text = read_file(file);
        REQUIRE_MESSAGE(text.ok(), file);
        for (const std::string& line : split(*text, '\n')) {
            const std::string command = shown_command(line);
            if (command.empty()) continue;
            ++seen;
            Result<compose::ShellWords> shell = compose::shell_words(command);
            REQUIRE_MESSAGE(shell.ok(), file, ": ", line);
            std::vector<std::string> words = std::move(shell->words);
            words.erase(words.begin());
            const auto parsed = parse(words);
            const auto* early = std::get_if<EarlyExit>(&parsed);
            const bool taken = early == nullptr || early->code == 0;
            CHECK_MESSAGE(taken, file, ": ", line, ": ", early == nullptr ? "" : early->err);
        }
    }
    CHECK(seen > 50);
}
