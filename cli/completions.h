#pragma once

#include "base/result.h"
#include "cli/catalog.h"

#include <string>

/// Files that are made from the catalog of commands: completions of shells, manual pages.
namespace davit::cli {

/// The completion script of a shell: bash, zsh or fish. Names of services are asked of davit while
/// the user types. @errors InvalidInput for another shell
Result<std::string> completion_script(const Catalog& catalog, const std::string& shell);

struct ManualPage {
    std::string name = {};  ///< "davit-up.1"
    std::string text = {};  ///< roff with the macros of man(7).
};

/// One page for davit, and one for each command that is not hidden.
std::vector<ManualPage> manual_pages(const Catalog& catalog, const std::string& version);

}  // namespace davit::cli
