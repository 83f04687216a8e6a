#pragma once

#include "base/result.h"
#include "builder/build.h"
#include "builder/remote_context.h"
#include "cli/commands/commands.h"
#include "stack/ssh_agents.h"

#include <map>
#include <memory>
#include <string>

namespace davit::cli {

/// What `davit build` is to do with one folder or address.
struct FolderBuild {
    builder::BuildRequest request = {};
    /// Holds the folder of a context that was brought here; null for one of this host.
    std::shared_ptr<const builder::FetchedContext> fetched = {};
    stack::SshAgents agents = {};
};

/// Reads the words and flags of `davit build -t NAME FOLDER`; brings the context here where it is
/// an address. @errors InvalidInput, NotFound, with what to write instead
Result<FolderBuild> read_folder_build(const Context& context, const BuildFlags& flags,
                                      const std::string& data_root);

/// `--build-arg`; "NAME" without a value takes that of the environment.
Result<void> add_build_args(const Context& context, const std::vector<std::string>& words,
                            std::map<std::string, std::string>& args);

}  // namespace davit::cli
