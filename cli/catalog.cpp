#include "cli/catalog.h"

#include "base/strings.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cassert>
#include <fmt/format.h>
#include <map>

namespace davit::cli {
namespace {

/// Flags whose values are words of a small set, whatever command they belong to.
const std::map<std::string, std::vector<std::string>> kChoices = {
    {"--ansi", {"auto", "never", "always"}},
    {"--log-format", {"text", "json"}},
    {"--log-level", {"debug", "info", "warn", "error", "off"}},
    {"--progress", {"auto", "tty", "plain", "json", "quiet"}},
    {"--protocol", {"tcp", "udp"}},
    {"--pull", {"always", "missing", "never"}},
    {"--rmi", {"local", "all"}},
    {"--status", {"created", "dead", "exited", "paused", "removing", "restarting", "running"}},
};

/// "INT:NONNEGATIVE" is for the parser; people read "INT".
std::string value_of(const CLI::Option& option) {
    if (option.get_items_expected_max() == 0) return {};
    const std::string type = option.get_type_name();
    const std::string name = type.substr(0, type.find_first_of(":["));
    return name.empty() ? "VALUE" : name;
}

FlagInfo flag_of(const CLI::Option& option) {
    FlagInfo flag;
    for (const std::string& name : option.get_snames()) flag.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) flag.names.push_back("--" + name);
    flag.value = value_of(option);
    flag.about = option.get_description();
    flag.hidden = option.get_group().empty();
    for (const std::string& name : flag.names) {
        const auto known = kChoices.find(name);
        if (known != kChoices.end() && !flag.value.empty()) flag.choices = known->second;
    }
    return flag;
}

std::vector<FlagInfo> flags_of(const CLI::App& app) {
    std::vector<FlagInfo> flags;
    for (const CLI::Option* option : app.get_options()) {
        const bool named = !option->get_lnames().empty() || !option->get_snames().empty();
        if (named && !option->check_name("--help")) flags.push_back(flag_of(*option));
    }
    return flags;
}

CommandInfo command_of(const CLI::App& app, const std::string& above) {
    CommandInfo command;
    command.path = above + app.get_name();
    command.about = app.get_description();
    command.hidden = app.get_group().empty();
    command.flags = flags_of(app);
    for (const CLI::Option* option : app.get_options()) {
        if (!option->get_positional()) continue;
        const std::string name = option->get_name(true);
        // CLI11 2.4 throws where it meets them, older ones don't: option_text may have them.
        assert(name.find_first_of("=:{ ") == std::string::npos);
        const std::string& text = option->get_option_text();
        command.arguments.push_back({text.empty() ? name : text, option->get_description(),
                                     option->get_required(), option->get_items_expected_max() > 1});
    }
    return command;
}

void add_commands(const CLI::App& app, const std::string& above, Catalog& catalog) {
    for (const CLI::App* inner : app.get_subcommands([](const CLI::App*) { return true; })) {
        const std::size_t at = catalog.commands.size();
        catalog.commands.push_back(command_of(*inner, above));
        add_commands(*inner, catalog.commands[at].path + " ", catalog);
        for (const CLI::App* own : inner->get_subcommands([](const CLI::App*) { return true; }))
            catalog.commands[at].commands.push_back(own->get_name());
    }
}

}  // namespace

Catalog describe(const CLI::App& app) {
    Catalog catalog;
    catalog.about = app.get_description();
    catalog.globals = flags_of(app);
    add_commands(app, "", catalog);
    return catalog;
}

std::string usage_of(const CommandInfo& command) {
    std::string text = "davit " + command.path + " [OPTIONS]";
    if (!command.commands.empty()) text += " COMMAND";
    for (const ArgumentInfo& argument : command.arguments) {
        const std::string name = argument.name + (argument.several ? "..." : "");
        text += argument.required ? " " + name : fmt::format(" [{}]", name);
    }
    return text;
}

std::string help_footer(const std::string& path) {
    std::string text = "\nExamples:\n";
    const std::vector<Example> examples = examples_of(path);
    std::size_t width = 0;
    for (const Example& example : examples)
        width = std::max(width, std::string_view(example.line).size());
    for (const Example& example : examples)
        text += fmt::format("  {:<{}}   {}\n", example.line, width, example.about);
    if (examples.empty()) text.clear();
    if (!path.empty()) text += "\nFlags of all commands: davit --help\n";
    return text;
}

}  // namespace davit::cli
