#include "cli/catalog.h"

#include "base/file.h"
#include "base/strings.h"
#include "cli/app.h"
#include "cli/completions.h"
#include "tests/support/doc_table.h"

#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>
#include <set>

using namespace davit;
using namespace davit::cli;

namespace {

constexpr const char* kBegin = "<!-- commands: begin -->\n";
constexpr const char* kEnd = "<!-- commands: end -->\n";

/// What davit doesn't have of tiers A and B, and why. A row that davit has come to have since must
/// be taken out.
const std::map<std::string, std::string> kGaps = {};

struct Row {
    std::string tier = {};
    std::string command = {};  ///< Empty: flags of all commands.
    std::string flag = {};     ///< "-d --detach"; empty: the command itself.
    std::string name() const {
        return command + (command.empty() || flag.empty() ? "" : " ") + flag;
    }
};

std::vector<Row> compose_rows() {
    std::vector<Row> rows;
    const Result<std::string> text = read_file(DAVIT_COMPOSE_COMMANDS);
    REQUIRE(text.ok());
    for (const std::string& line : split(*text, '\n')) {
        if (line.empty() || line.starts_with('#')) continue;
        const std::vector<std::string> words = split(line, ' ');
        Row row{words.at(0), words.at(1) == "-" ? "" : words.at(1), {}};
        for (std::size_t i = 2; i < words.size(); ++i)
            row.flag += (row.flag.empty() ? "" : " ") + words[i];
        rows.push_back(row);
    }
    return rows;
}

const FlagInfo* find_flag(const std::vector<FlagInfo>& flags, const std::string& words) {
    for (const FlagInfo& flag : flags) {
        bool all = true;
        for (const std::string& word : split(words, ' '))
            all = all && std::find(flag.names.begin(), flag.names.end(), word) != flag.names.end();
        if (all) return &flag;
    }
    return nullptr;
}

/// "yes", "accepted" for a flag that is taken and means nothing here, or "" where there is none.
std::string standing(const Catalog& catalog, const Row& row) {
    const FlagInfo* flag = nullptr;
    if (!row.command.empty()) {
        const auto command =
            std::find_if(catalog.commands.begin(), catalog.commands.end(),
                         [&](const CommandInfo& known) { return known.path == row.command; });
        if (command == catalog.commands.end()) return {};
        if (row.flag.empty()) return "yes";
        flag = find_flag(command->flags, row.flag);
    } else if (row.flag.empty()) {
        return "yes";
    }
    if (flag == nullptr) flag = find_flag(catalog.globals, row.flag);
    if (flag == nullptr) return {};
    return flag->about.starts_with("Accepted") || flag->about.empty() ? "accepted" : "yes";
}

std::string exit_text(const std::vector<std::string>& arguments) {
    const auto parsed = parse(arguments);
    const auto* early = std::get_if<EarlyExit>(&parsed);
    REQUIRE(early != nullptr);
    REQUIRE(early->code == 0);
    return early->out;
}

}  // namespace

/// DAVIT_UPDATE_GOLDEN=1 writes the table anew.
TEST_CASE("the table of commands in docs/compatibility.md says what the commands have") {
    const Catalog known = catalog();
    std::string rows =
        "| command | flag | tier | davit | instead, or why |\n|---|---|---|---|---|\n";
    std::set<std::string> used;
    for (const Row& row : compose_rows()) {
        const std::string has = standing(known, row);
        const auto gap = kGaps.find(row.name());
        CAPTURE(row.name());
        if (row.tier != "C" && has.empty())
            CHECK_MESSAGE(gap != kGaps.end(), "missing, unexplained");
        if (!has.empty()) CHECK_MESSAGE(gap == kGaps.end(), "davit has it: take it out of kGaps");
        if (gap != kGaps.end()) used.insert(gap->first);
        rows += fmt::format("| {} | {} | {} | {} | {} |\n",
                            row.command.empty() ? "(all)" : "`" + row.command + "`",
                            row.flag.empty() ? "" : "`" + row.flag + "`", row.tier,
                            has.empty() ? "not yet" : has, gap == kGaps.end() ? "" : gap->second);
    }
    CHECK(used.size() == kGaps.size());
    davit::testing::check_doc_table(DAVIT_COMPATIBILITY_FILE, kBegin, kEnd, rows);
}

TEST_CASE("the catalog is what --help prints, with an example for each command") {
    for (const CommandInfo& command : catalog().commands) {
        if (command.hidden) continue;
        CAPTURE(command.path);
        std::vector<std::string> arguments = split(command.path, ' ');
        arguments.push_back("--help");
        const std::string help = exit_text(arguments);
        CHECK(help.find(command.about) == 0);
        for (const FlagInfo& flag : command.flags)
            if (!flag.hidden) CHECK(help.find(flag.names.back()) != std::string::npos);
        const std::vector<Example> examples = examples_of(command.path);
        CHECK(!examples.empty());
        CHECK((examples.empty() || help.find(examples.front().line) != std::string::npos));
        // An example that names a flag or command that isn't there would be a lie.
        for (const Example& example : examples) {
            std::vector<std::string> words;
            for (const std::string& word : split(example.line, ' ')) {
                if (word == "|" || word == ">" || word == "<") break;
                words.push_back(word);
            }
            words.erase(words.begin());
            const auto parsed = parse(words);
            const auto* early = std::get_if<EarlyExit>(&parsed);
            CHECK_MESSAGE(early == nullptr, example.line, ": ", early ? early->err : "");
        }
    }
    CHECK(exit_text({"--help"}).find("davit up -d") != std::string::npos);
}

TEST_CASE("every command has a manual page") {
    const Catalog known = catalog();
    const std::vector<ManualPage> pages = manual_pages(known, "1.2");
    std::set<std::string> names;
    for (const ManualPage& page : pages) {
        CAPTURE(page.name);
        names.insert(page.name);
        CHECK(page.text.starts_with(".TH "));
        CHECK(page.text.find(".SH EXAMPLES") != std::string::npos);
    }
    CHECK(names.contains("davit.1"));
    CHECK(names.contains("davit-up.1"));
    CHECK(names.contains("davit-volume-ls.1"));
    CHECK(!names.contains("davit-boot.1"));
    const auto up = std::find_if(pages.begin(), pages.end(),
                                 [](const ManualPage& page) { return page.name == "davit-up.1"; });
    CHECK(up->text.find("\\fB\\-\\-force\\-recreate\\fR") != std::string::npos);
    CHECK(up->text.find("\\fBdavit up [OPTIONS] [SERVICE...]\\fR") != std::string::npos);
}

TEST_CASE("completions know every command and flag") {
    const Catalog known = catalog();
    for (const char* shell : {"bash", "zsh", "fish"}) {
        const Result<std::string> script = completion_script(known, shell);
        REQUIRE(script.ok());
        for (const CommandInfo& command : known.commands) {
            if (command.hidden) continue;
            CAPTURE(command.path);
            CHECK(script->find(command.path.substr(command.path.rfind(' ') + 1)) !=
                  std::string::npos);
            for (const FlagInfo& flag : command.flags)
                if (!flag.hidden)
                    CHECK(script->find(flag.names.back().substr(2)) != std::string::npos);
        }
    }
    CHECK(completion_script(known, "tcsh").error().help() == "use bash, zsh or fish");
}
