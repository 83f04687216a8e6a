#pragma once

#include "base/result.h"
#include "image/layer_pack.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// What a build needs from the layer above, which knows containers and networks.
namespace davit::builder {

/// A folder or file of the host that a RUN sees.
struct RunBind {
    std::string source = {};  ///< Absolute.
    std::string target = {};  ///< Absolute, inside.
    bool read_only = true;
};

struct RunTmpfs {
    std::string target = {};
    std::int64_t size_bytes = 0;  ///< 0: no limit of its own.
};

/// A secret: only the RUN sees it, and only as long as it runs.
struct RunFile {
    std::string target = {};
    std::string content = {};
    std::uint32_t mode = 0400;
    std::uint32_t uid = 0;  ///< As the RUN sees it.
    std::uint32_t gid = 0;
};

/// An SSH agent of the host that the RUN may ask. It sees a socket of its own, not the agent's.
struct RunAgent {
    std::string socket = {};  ///< Of the agent.
    std::string target = {};
    std::uint32_t mode = 0600;
    std::uint32_t uid = 0;  ///< As the RUN sees it.
    std::uint32_t gid = 0;
};

/// Limits and names that hold for every RUN of a build. @source docker build
struct RunLimits {
    std::int64_t shm_size_bytes = 0;  ///< 0: the default, 64 MiB.
    /// "nofile": soft, hard; -1: no limit.
    std::map<std::string, std::pair<std::int64_t, std::int64_t>> ulimits = {};
    std::vector<std::string> extra_hosts = {};  ///< "name=address"
    bool privileged = false;
};

/// One RUN.
struct RunRequest {
    std::vector<std::string> argv = {};
    std::vector<std::string> env = {};
    std::string cwd = "/";
    std::string user = {};                 ///< As USER has it; empty: root.
    std::vector<std::string> layers = {};  ///< Top first.
    std::string folder = {};               ///< A new one, in which upper/ and work/ are made.
    std::vector<RunBind> binds = {};
    std::vector<RunTmpfs> tmpfs = {};
    std::vector<RunFile> files = {};
    std::vector<RunAgent> agents = {};
    std::string network = "default";  ///< default, none or host
    RunLimits limits = {};
    std::function<bool()> cancelled = {};  ///< Asked now and then: then everything is ended.
};

struct RunOutcome {
    int exit_code = 0;
    bool oom_killed = false;
    std::vector<image::IdRange> ids = {};  ///< How owners in upper/ become those of the layer.
};

struct Owner {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
};

/// Called from several threads at once.
class StepRunner {
public:
    StepRunner() = default;
    StepRunner(const StepRunner&) = delete;
    StepRunner& operator=(const StepRunner&) = delete;
    virtual ~StepRunner() = default;

    /// Runs a program in a container over `layers`, waits for its end, and ends everything that it
    /// left running. `output` gets what it writes, in pieces. Everything but `folder`/upper is gone
    /// afterwards.
    virtual Result<RunOutcome> run(const RunRequest& request,
                                   const std::function<void(std::string_view)>& output) = 0;

    /// "name:group" as numbers, looked up in the image. @errors NotFound, InvalidInput
    virtual Result<Owner> find_owner(const std::string& user,
                                     const std::vector<std::string>& layers) = 0;
};

}  // namespace davit::builder
