#include "base/json.h"
#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/target.h"
#include "runtime/features.h"

#include <CLI/CLI.hpp>

namespace davit::cli {
namespace {

/// The nearest folder above `path` that is there: it lies on the file system that will be used.
std::string existing_folder(std::string path) {
    while (path.size() > 1 && !exists(path)) {
        const std::size_t slash = path.rfind('/');
        path = slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
    }
    return path;
}

std::string yes_or_why(bool yes, const std::string& why_not) {
    if (yes) return "yes";
    return why_not.empty() ? "no" : "no (" + why_not + ")";
}

Json features_json(const runtime::Features& features) {
    const auto or_null = [](const std::string& text) {
        return text.empty() ? Json(nullptr) : Json(text);
    };
    return {{"user_namespaces", features.user_namespaces},
            {"user_namespaces_why_not", or_null(features.user_namespaces_why_not)},
            {"idmapped_mounts", features.idmapped_mounts},
            {"idmapped_mounts_why_not", or_null(features.idmapped_mounts_why_not)},
            {"cgroup", features.cgroup},
            {"seccomp", features.seccomp},
            {"overlayfs", features.overlayfs}};
}

}  // namespace

std::string version_number() { return DAVIT_VERSION; }
std::string version_commit() { return DAVIT_COMMIT; }

void declare(CLI::App& command, VersionFlags& flags) {
    command.add_flag("--short", flags.brief, "Only the number");
    command.add_option("-f,--format", flags.format, "pretty or json");
}

Result<int> run(const Context& context, const VersionFlags& flags) {
    if (flags.format != "pretty" && flags.format != "json")
        return Error(ErrorKind::InvalidInput, fmt::format("unknown format '{}'", flags.format))
            .help("use pretty or json");
    if (flags.brief) {
        to_stdout(version_number() + "\n");
        return kOk;
    }
    const std::string data_root = TRY(image_data_root(context));
    const runtime::Features features = runtime::probe_features(existing_folder(data_root));
    if (flags.format == "json") {
        const Json json = {{"version", version_number()},
                           {"commit", version_commit()},
                           {"features", features_json(features)}};
        to_stdout(json.dump(2) + "\n");
        return kOk;
    }
    to_stdout(fmt::format(
        "davit version {}\n"
        "  commit:           {}\n"
        "  data root:        {}\n"
        "  user namespaces:  {}\n"
        "  idmapped mounts:  {}\n"
        "  cgroups:          {}\n"
        "  seccomp:          {}\n"
        "  overlayfs:        {}\n",
        version_number(), version_commit(), data_root,
        yes_or_why(features.user_namespaces, features.user_namespaces_why_not),
        yes_or_why(features.idmapped_mounts, features.idmapped_mounts_why_not), features.cgroup,
        features.seccomp ? "yes" : "no", features.overlayfs ? "yes" : "no"));
    return kOk;
}

}  // namespace davit::cli
