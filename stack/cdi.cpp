#include "stack/cdi.h"

#include "base/file.h"
#include "base/strings.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <set>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <yaml-cpp/yaml.h>

namespace davit::stack {
namespace {

constexpr std::size_t kMostBytes = 4U << 20U;

/// One file, and what of it belongs to a wanted device.
struct CdiFile {
    std::string path = {};
    std::string kind = {};  ///< "vendor.com/class"
    YAML::Node node = {};
};

std::string text_of(const YAML::Node& node, const char* key) {
    const YAML::Node value = node[key];
    return value.IsDefined() && value.IsScalar() ? value.Scalar() : std::string();
}

Result<CdiFile> read_cdi_file(const std::string& path) {
    const std::string text = TRY(read_file(path, kMostBytes));
    CdiFile file;
    file.path = path;
    try {
        file.node = YAML::Load(text);  // JSON is YAML
        if (file.node.IsMap()) file.kind = text_of(file.node, "kind");
    } catch (const YAML::Exception& problem) {
        return Error(ErrorKind::InvalidInput, problem.what()).doing("read '{}'", path);
    }
    const std::string version = file.kind.empty() ? "" : text_of(file.node, "cdiVersion");
    if (version.empty())
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' is no file of the Container Device Interface", path))
            .help("it needs 'cdiVersion' and 'kind'");
    return file;
}

/// All files, the most important first. One that can't be read counts only if it is needed.
std::vector<CdiFile> read_all(const std::vector<std::string>& folders, std::string& problem) {
    std::vector<CdiFile> files;
    for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
        const Result<std::vector<std::string>> names = list_directory(*folder);
        if (!names) continue;  // most machines have none
        for (const std::string& name : *names) {
            if (!name.ends_with(".json") && !name.ends_with(".yaml") && !name.ends_with(".yml"))
                continue;
            Result<CdiFile> file = read_cdi_file(*folder + "/" + name);
            if (file)
                files.push_back(*std::move(file));
            else
                problem = file.error().to_string();
        }
    }
    return files;
}

class Collector {
public:
    explicit Collector(CdiEdits& edits) : edits_(edits) {}

    /// Throws what yaml-cpp throws.
    Result<void> add(const YAML::Node& node) {
        if (!node.IsDefined() || !node.IsMap()) return {};
        for (const YAML::Node& entry : node["env"]) {
            const std::string text = entry.as<std::string>();
            const std::size_t equals = text.find('=');
            if (equals == 0 || equals == std::string::npos)
                return Error(ErrorKind::InvalidInput,
                             fmt::format("'{}' is no environment variable", printable(text)));
            edits_.env[text.substr(0, equals)] = text.substr(equals + 1);
        }
        for (const YAML::Node& entry : node["deviceNodes"]) TRY(add_device(entry));
        for (const YAML::Node& entry : node["mounts"]) TRY(add_mount(entry));
        for (const YAML::Node& entry : node["hooks"]) TRY(add_hook(entry));
        for (const YAML::Node& entry : node["additionalGids"])
            edits_.groups.push_back(entry.as<std::uint32_t>());
        if (node["intelRdt"].IsDefined())
            return Error(ErrorKind::Unsupported, "it asks for 'intelRdt', which davit doesn't do");
        return {};
    }

private:
    Result<void> add_device(const YAML::Node& entry) {
        const std::string target = text_of(entry, "path");
        const std::string source =
            text_of(entry, "hostPath").empty() ? target : text_of(entry, "hostPath");
        const std::string permissions = text_of(entry, "permissions");
        struct stat info {};
        if (!target.starts_with('/') || clean_path(target) != target)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("the device path '{}' is not absolute", printable(target)));
        if (::stat(source.c_str(), &info) == -1 ||
            !(S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)))
            return Error(ErrorKind::NotFound,
                         fmt::format("there is no device '{}' on this host", source))
                .help("check that the driver is loaded, and that the file is up to date");
        constexpr std::uint32_t kPermissionBits = 07777;
        DeviceNode node;
        node.target = target;
        node.permissions = permissions.empty() ? "rwm" : permissions;
        node.type = S_ISBLK(info.st_mode) ? 'b' : 'c';
        node.number = {::major(info.st_rdev), ::minor(info.st_rdev)};
        node.mode = entry["fileMode"].as<std::uint32_t>(info.st_mode & kPermissionBits);
        node.uid = entry["uid"].as<std::uint32_t>(info.st_uid);
        node.gid = entry["gid"].as<std::uint32_t>(info.st_gid);
        std::erase_if(edits_.devices,
                      [&](const DeviceNode& other) { return other.target == node.target; });
        edits_.devices.push_back(std::move(node));
        return {};
    }

    Result<void> add_mount(const YAML::Node& entry) {
        CdiMount mount;
        mount.source = text_of(entry, "hostPath");
        mount.target = text_of(entry, "containerPath");
        mount.type = text_of(entry, "type");
        for (const YAML::Node& option : entry["options"])
            mount.options.push_back(option.as<std::string>());
        if (!mount.target.starts_with('/') || mount.source.empty())
            return Error(ErrorKind::InvalidInput,
                         "a mount needs 'hostPath' and an absolute 'containerPath'");
        std::erase_if(edits_.mounts,
                      [&](const CdiMount& other) { return other.target == mount.target; });
        edits_.mounts.push_back(std::move(mount));
        return {};
    }

    Result<void> add_hook(const YAML::Node& entry) {
        constexpr std::array<std::string_view, 6> kKnown = {"prestart",        "createRuntime",
                                                            "createContainer", "startContainer",
                                                            "poststart",       "poststop"};
        const std::string name = text_of(entry, "hookName");
        const std::string path = text_of(entry, "path");
        if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end() || !path.starts_with('/'))
            return Error(ErrorKind::InvalidInput,
                         fmt::format("a hook '{}' with the path '{}' can't be", printable(name),
                                     printable(path)));
        Json hook = {{"path", path}};
        for (const char* list : {"args", "env"}) {
            for (const YAML::Node& word : entry[list]) hook[list].push_back(word.as<std::string>());
        }
        if (entry["timeout"].IsDefined()) hook["timeout"] = entry["timeout"].as<int>();
        Json& all = edits_.hooks[name];
        // What two devices share they also ask for both.
        if (std::find(all.begin(), all.end(), hook) == all.end()) all.push_back(std::move(hook));
        return {};
    }

    CdiEdits& edits_;
};

/// The file and the entry in it that describe `name`.
const CdiFile* find_device(const std::vector<CdiFile>& files, const std::string& kind,
                           const std::string& name, YAML::Node& device) {
    for (const CdiFile& file : files) {
        if (file.kind != kind) continue;
        for (const YAML::Node& entry : file.node["devices"]) {
            if (text_of(entry, "name") != name) continue;
            device.reset(entry);
            return &file;
        }
    }
    return nullptr;
}

Error missing(const std::string& name, const std::vector<CdiFile>& files,
              const std::string& problem) {
    std::string known;
    for (const CdiFile& file : files) {
        for (const YAML::Node& entry : file.node["devices"])
            known += fmt::format("{}{}={}", known.empty() ? "" : ", ", file.kind,
                                 text_of(entry, "name"));
    }
    Error error(ErrorKind::NotFound,
                fmt::format("no file in {} describes the device '{}'",
                            fmt::join(cdi_folders(), " or "), printable(name)));
    if (!known.empty()) return std::move(error).help("there are: " + known);
    if (!problem.empty()) return std::move(error).help(problem);
    return std::move(error).help(name.starts_with("nvidia.com/")
                                     ? "make it with the vendor's program: nvidia-ctk cdi generate "
                                       "--output=/etc/cdi/nvidia.yaml"
                                     : "make it with the vendor's program");
}

}  // namespace

std::vector<std::string> cdi_folders() { return {"/etc/cdi", "/var/run/cdi"}; }

Result<CdiEdits> find_cdi_devices(const std::vector<compose::CdiDevice>& wanted,
                                  const std::vector<std::string>& folders) {
    CdiEdits edits;
    if (wanted.empty()) return edits;
    std::string problem;
    const std::vector<CdiFile> files = read_all(folders, problem);
    Collector collector(edits);
    std::set<std::string> files_taken;
    for (const compose::CdiDevice& device : wanted) {
        const std::size_t equals = device.name.find('=');
        const std::string kind = device.name.substr(0, equals);
        try {
            YAML::Node entry;
            const CdiFile* file = find_device(files, kind, device.name.substr(equals + 1), entry);
            if (file == nullptr) return missing(device.name, files, problem);
            if (files_taken.insert(file->path).second)
                TRY_DOING(collector.add(file->node["containerEdits"]), "read '{}'", file->path);
            TRY_DOING(collector.add(entry["containerEdits"]), "read '{}'", file->path);
        } catch (const YAML::Exception& failed) {
            return Error(ErrorKind::InvalidInput, failed.what())
                .doing("read the description of '{}'", device.name);
        }
    }
    return edits;
}

}  // namespace davit::stack
