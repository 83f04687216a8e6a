#pragma once

#include "base/result.h"
#include "cli/context.h"

#include <string>
#include <vector>

namespace CLI {
class App;
}

/// The commands about images and registries; part of commands.h.
namespace davit::cli {

struct PullFlags {
    bool quiet = false;
    bool all_tags = false;
    bool include_deps = false;
    bool ignore_buildable = false;
    bool ignore_failures = false;
    bool parallel = false;  ///< Accepted.
    std::string policy = {};
    std::string platform = {};
    std::vector<std::string> names = {};
};

struct LoginFlags {
    std::string user = {};
    std::string password = {};
    bool password_stdin = false;
    std::string server = {};
};

struct LogoutFlags {
    std::string server = {};
};

struct PushFlags {
    bool quiet = false;
    bool all_tags = false;
    bool include_deps = false;
    bool ignore_failures = false;
    std::vector<std::string> names = {};
};

struct SaveFlags {
    std::string output = {};
    std::string format = "docker";
    bool gzip = false;
    std::vector<std::string> images = {};
};

struct ImageInspectFlags {
    std::string format = {};
    std::vector<std::string> images = {};
};

struct HistoryFlags {
    std::string format = "table";
    bool no_trunc = false;
    bool quiet = false;
    std::string image = {};
};

struct ImageCheckFlags {
    bool repair = false;
};

struct ImagePruneFlags {
    bool all = false;
    bool force = false;
    std::vector<std::string> filters = {};
};

struct SystemDfFlags {
    std::string format = "table";
    bool verbose = false;
};

struct SystemPruneFlags {
    bool all = false;
    bool volumes = false;
    bool force = false;
    std::vector<std::string> filters = {};
};

struct BuilderPruneFlags {
    bool all = false;
    bool force = false;
    std::string keep = {};
    std::vector<std::string> filters = {};
};

struct CommitFlags {
    std::string author = {};
    std::string message = {};
    std::vector<std::string> changes = {};
    bool pause = true;
    int index = 0;
    std::string container = {};
    std::string reference = {};
};

struct ExportFlags {
    std::string output = {};
    int index = 0;
    std::string container = {};
};

struct DataRootMoveFlags {
    std::string to = {};
};

void declare(CLI::App& command, DataRootMoveFlags& flags);
void declare(CLI::App& command, ImageInspectFlags& flags);
void declare(CLI::App& command, HistoryFlags& flags);
void declare(CLI::App& command, ImageCheckFlags& flags);
void declare(CLI::App& command, ImagePruneFlags& flags);
void declare(CLI::App& command, SystemDfFlags& flags);
void declare(CLI::App& command, SystemPruneFlags& flags);
void declare(CLI::App& command, BuilderPruneFlags& flags);
void declare(CLI::App& command, CommitFlags& flags);
void declare(CLI::App& command, ExportFlags& flags);
void declare(CLI::App& command, PushFlags& flags);
void declare(CLI::App& command, SaveFlags& flags);
void declare(CLI::App& command, PullFlags& flags);
void declare(CLI::App& command, LoginFlags& flags);
void declare(CLI::App& command, LogoutFlags& flags);

Result<int> run(const Context& context, const DataRootMoveFlags& flags);
Result<int> run(const Context& context, const ImageInspectFlags& flags);
Result<int> run(const Context& context, const HistoryFlags& flags);
Result<int> run(const Context& context, const ImageCheckFlags& flags);
Result<int> run(const Context& context, const ImagePruneFlags& flags);
Result<int> run(const Context& context, const SystemDfFlags& flags);
Result<int> run(const Context& context, const SystemPruneFlags& flags);
Result<int> run(const Context& context, const BuilderPruneFlags& flags);
Result<int> run(const Context& context, const CommitFlags& flags);
Result<int> run(const Context& context, const ExportFlags& flags);
Result<int> run(const Context& context, const PushFlags& flags);
Result<int> run(const Context& context, const SaveFlags& flags);
Result<int> run(const Context& context, const PullFlags& flags);
Result<int> run(const Context& context, const LoginFlags& flags);
Result<int> run(const Context& context, const LogoutFlags& flags);

}  // namespace davit::cli
