#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

/// The commands as data: what `--help` says, for completions, manual pages and the table in
/// docs/compatibility.md. There is one source, the declarations of the commands themselves.
namespace davit::cli {

struct FlagInfo {
    std::vector<std::string> names = {};    ///< "-d", "--detach"
    std::string value = {};                 ///< "FILE"; empty: takes none.
    std::vector<std::string> choices = {};  ///< Where only these make sense.
    std::string about = {};
    bool hidden = false;
};

struct ArgumentInfo {
    std::string name = {};  ///< "SERVICE"
    std::string about = {};
    bool required = false;
    bool several = false;
};

struct CommandInfo {
    std::string path = {};  ///< "up", "volume ls"
    std::string about = {};
    std::vector<FlagInfo> flags = {};  ///< Its own, without --help and the global ones.
    std::vector<ArgumentInfo> arguments = {};
    std::vector<std::string> commands = {};  ///< Of `volume`: "ls", "rm", …
    bool hidden = false;
};

struct Catalog {
    std::string about = {};
    std::vector<FlagInfo> globals = {};
    std::vector<CommandInfo> commands = {};  ///< As declared; those of commands behind theirs.
};

/// What a parser that has everything declared knows.
Catalog describe(const CLI::App& app);

/// "davit up [OPTIONS] [SERVICE...]"
std::string usage_of(const CommandInfo& command);

struct Example {
    const char* line = "";   ///< "davit up -d"
    const char* about = "";  ///< What it does; no full stop.
};

/// Examples for the command of a path, "" for davit itself. Every command has one at least.
std::vector<Example> examples_of(const std::string& path);

/// The end of a help text: examples, and where the other flags are.
std::string help_footer(const std::string& path);

}  // namespace davit::cli
