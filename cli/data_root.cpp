#include "cli/data_root.h"

#include "base/file.h"
#include "compose/yaml_reader.h"

#include <climits>
#include <unistd.h>

namespace davit::cli {
namespace {

constexpr const char* kDefaultDataRoot = "/var/lib/davit";
constexpr const char* kDefaultRunRoot = "/run/davit";

Error first_error(const Diagnostics& diagnostics) {
    for (const Diagnostic& diagnostic : diagnostics.list())
        if (diagnostic.severity == Severity::Error)
            return Error(ErrorKind::InvalidInput, diagnostic.message)
                .at(diagnostic.where)
                .help(diagnostic.help);
    return Error(ErrorKind::Internal, "a file is refused without a reason");
}

}  // namespace

std::string choose_data_root(const DataRootSources& sources, const std::string& working_dir) {
    for (const std::string* root :
         {&sources.flag, &sources.variable, &sources.running, &sources.file, &sources.host_config})
        if (!root->empty()) return clean_path(join_path(working_dir, *root));
    return kDefaultDataRoot;
}

Result<std::string> read_host_config(const std::string& path) {
    Result<std::string> text = read_file(path);
    if (!text && text.error().kind() == ErrorKind::NotFound) return std::string();
    if (!text) return std::move(text).error();
    Diagnostics diagnostics;
    const auto documents =
        compose::read_yaml(compose::make_source(path, *std::move(text)), diagnostics);
    if (!documents || !diagnostics.ok()) return first_error(diagnostics);
    if (documents->empty()) return std::string();
    const compose::Node& root = documents->front();
    if (root.kind != compose::NodeKind::Mapping)
        return Error(ErrorKind::InvalidInput, "the configuration is not a mapping")
            .at(root.pos)
            .help("write 'data_root: /some/folder'");
    for (const compose::Node& item : root.items)
        if (item.key != "data_root")
            return Error(ErrorKind::InvalidInput, fmt::format("unknown key '{}'", item.key))
                .at(item.key_pos)
                .help("the only key is 'data_root'");
    const compose::Node* data_root = root.find("data_root");
    if (data_root == nullptr) return std::string();
    if (data_root->kind != compose::NodeKind::Scalar || !data_root->text.starts_with('/'))
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'data_root' must be an absolute path, not {}",
                                 compose::describe(*data_root)))
            .at(data_root->place());
    return data_root->text;
}

std::string run_root(const Context& context) {
    const std::string variable = context.variable("DAVIT_RUN_ROOT");
    return variable.empty() ? kDefaultRunRoot
                            : clean_path(join_path(context.working_dir, variable));
}

Result<std::string> find_runtime(const Context& context) {
    const std::string variable = context.variable("DAVIT_RUNTIME");
    if (!variable.empty()) return clean_path(join_path(context.working_dir, variable));
    char self[PATH_MAX];
    const ssize_t size = ::readlink("/proc/self/exe", self, sizeof self);
    const std::string program(self, size > 0 ? static_cast<std::size_t>(size) : 0);
    const std::string beside = program.substr(0, program.rfind('/') + 1) + "davit-runtime";
    const std::string installed = std::string(DAVIT_LIBEXEC_DIR) + "/davit-runtime";
    for (const std::string& candidate : {beside, installed})
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    return Error(ErrorKind::NotFound, fmt::format("there is no program 'davit-runtime', neither "
                                                  "'{}' nor '{}'",
                                                  beside, installed))
        .help("install davit as a whole, or set DAVIT_RUNTIME to its path");
}

}  // namespace davit::cli
