#pragma once

#include "cli/catalog.h"
#include "cli/commands/commands.h"
#include "cli/context.h"

#include <map>
#include <string>
#include <variant>
#include <vector>

namespace davit::cli {

/// A command line that was understood.
struct Invocation {
    Globals globals = {};
    Command command = {};
};

/// A command line that ends here: help, the version, or a mistake.
struct EarlyExit {
    int code = 0;
    std::string out = {};  ///< For standard output.
    std::string err = {};  ///< For standard error.
};

/// Reads the arguments, without the program's name. Pure.
std::variant<Invocation, EarlyExit> parse(const std::vector<std::string>& arguments);

/// All commands and flags, as data.
Catalog catalog();

/// The whole program: parses, runs, prints errors. Returns the exit status.
int run_app(const std::vector<std::string>& arguments,
            const std::map<std::string, std::string>& environment);

}  // namespace davit::cli
