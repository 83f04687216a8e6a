#include "cli/data_root.h"

#include "base/file.h"
#include "base/strings.h"
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

Result<std::string> data_root_of(const compose::Node& node) {
    if (node.kind == compose::NodeKind::Scalar && node.text.starts_with('/')) return node.text;
    return Error(
               ErrorKind::InvalidInput,
               fmt::format("'data_root' must be an absolute path, not {}", compose::describe(node)))
        .at(node.place());
}

Result<network::Pool> pool_of(const compose::Node& node) {
    const auto refused = [&](std::string why) {
        return Error(ErrorKind::InvalidInput, std::move(why))
            .at(node.place())
            .help("write it as {base: 10.10.0.0/16, size: 24}");
    };
    const compose::Node* base = node.find("base");
    const compose::Node* size = node.find("size");
    if (base == nullptr || size == nullptr || node.items.size() != 2)
        return refused("an address pool is a mapping of 'base' and 'size'");
    const Result<network::Cidr> cidr = network::parse_cidr(base->text);
    if (!cidr) return refused(cidr.error().to_string());
    if (cidr->first() != cidr->address)
        return refused(fmt::format("the bits behind the network of '{}' must be 0", base->text));
    const auto bits = parse_integer(size->text);
    const int most = cidr->address.v6 ? 126 : 30;
    if (!bits || *bits < cidr->prefix || *bits > most)
        return refused(fmt::format("the size of a pool's networks must be {} to {}, not '{}'",
                                   cidr->prefix, most, size->text));
    return network::Pool{*cidr, static_cast<int>(*bits)};
}

Result<std::vector<network::Pool>> pools_of(const compose::Node& list) {
    if (!list.is_list())
        return Error(ErrorKind::InvalidInput, "'address_pools' must be a list")
            .at(list.place())
            .help("write it as [{base: 10.10.0.0/16, size: 24}]");
    std::vector<network::Pool> pools;
    for (const compose::Node& item : list.items) {
        const network::Pool pool = TRY(pool_of(item));
        pools.push_back(pool);
    }
    return pools;
}

}  // namespace

std::string choose_data_root(const DataRootSources& sources, const std::string& working_dir) {
    for (const std::string* root :
         {&sources.flag, &sources.variable, &sources.running, &sources.file, &sources.host_config})
        if (!root->empty()) return clean_path(join_path(working_dir, *root));
    return kDefaultDataRoot;
}

Result<HostConfig> read_host_config(const std::string& path) {
    Result<std::string> text = read_file(path);
    if (!text && text.error().kind() == ErrorKind::NotFound) return HostConfig();
    if (!text) return std::move(text).error();
    Diagnostics diagnostics;
    const auto documents =
        compose::read_yaml(compose::make_source(path, *std::move(text)), diagnostics);
    if (!documents || !diagnostics.ok()) return first_error(diagnostics);
    if (documents->empty()) return HostConfig();
    const compose::Node& root = documents->front();
    if (root.kind != compose::NodeKind::Mapping)
        return Error(ErrorKind::InvalidInput, "the configuration is not a mapping")
            .at(root.pos)
            .help("write 'data_root: /some/folder'");
    HostConfig config;
    for (const compose::Node& item : root.items) {
        if (item.key == "data_root")
            config.data_root = TRY(data_root_of(item));
        else if (item.key == "address_pools")
            config.address_pools = TRY(pools_of(item));
        else
            return Error(ErrorKind::InvalidInput, fmt::format("unknown key '{}'", item.key))
                .at(item.key_pos)
                .help("the keys are 'data_root' and 'address_pools'");
    }
    return config;
}

std::string run_root(const Context& context) {
    const std::string variable = context.variable("DAVIT_RUN_ROOT");
    return variable.empty() ? kDefaultRunRoot
                            : clean_path(join_path(context.working_dir, variable));
}

std::string own_program() {
    char self[PATH_MAX];
    const ssize_t size = ::readlink("/proc/self/exe", self, sizeof self);
    return {self, size > 0 ? static_cast<std::size_t>(size) : 0};
}

Result<std::string> find_runtime(const Context& context) {
    const std::string variable = context.variable("DAVIT_RUNTIME");
    if (!variable.empty()) return clean_path(join_path(context.working_dir, variable));
    const std::string program = own_program();
    const std::string folder = program.substr(0, program.rfind('/') + 1);
    const std::string beside = folder + "davit-runtime";
    // Where a package was made with another prefix than the one it was built for.
    const std::string near = clean_path(folder + "../libexec/davit/davit-runtime");
    const std::string installed = std::string(DAVIT_LIBEXEC_DIR) + "/davit-runtime";
    for (const std::string& candidate : {beside, near, installed})
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    return Error(ErrorKind::NotFound, fmt::format("there is no program 'davit-runtime', neither "
                                                  "'{}' nor '{}'",
                                                  beside, installed))
        .help("install davit as a whole, or set DAVIT_RUNTIME to its path");
}

}  // namespace davit::cli
