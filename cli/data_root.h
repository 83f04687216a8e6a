#pragma once

#include "base/result.h"
#include "cli/context.h"
#include "stack/operations.h"

#include <string>
#include <vector>

/// Where davit keeps its things, and where its other program is.
namespace davit::cli {

inline constexpr const char* kHostConfig = "/etc/davit/config.yaml";

/// Everything that may say where the data root is, in the order in which it is asked. Empty:
/// silent.
struct DataRootSources {
    std::string flag = {};      ///< --data-root
    std::string variable = {};  ///< DAVIT_DATA_ROOT
    std::string running = {};   ///< Where the project is up; asked by ps, down and the like only.
    std::string file = {};      ///< `x-davit.data_root` of the compose file
    std::string host_config = {};  ///< `data_root` of /etc/davit/config.yaml
};

/// The first that says something, as an absolute clean path; /var/lib/davit where none does.
/// `working_dir` is what a relative one is relative to.
std::string choose_data_root(const DataRootSources& sources, const std::string& working_dir);

/// What the host's configuration says; all of it may be absent.
struct HostConfig {
    std::string data_root = {};
    /// `address_pools`: where networks come from, as [{base: 10.10.0.0/16, size: 24}, …].
    std::vector<network::Pool> address_pools = {};
};

/// The host's configuration; empty where there is no such file.
/// @errors InvalidInput for a file with mistakes or other keys, with its place
Result<HostConfig> read_host_config(const std::string& path = kHostConfig);

/// DAVIT_RUN_ROOT, for tests and for davit inside davit; else /run/davit.
std::string run_root(const Context& context);

/// Absolute path of this program; empty where /proc doesn't say.
std::string own_program();

/// The absolute path of davit-runtime: DAVIT_RUNTIME, else beside this program, else where it was
/// installed. @errors NotFound, naming where it was looked for
Result<std::string> find_runtime(const Context& context);

}  // namespace davit::cli
