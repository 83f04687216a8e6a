#include "stack/cdi.h"

#include "base/file.h"
#include "base/strings.h"
#include "compose/node_access.h"
#include "compose/yaml_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <limits>
#include <set>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace davit::stack {
namespace {

using compose::Node;
using compose::text_at;

constexpr std::size_t kMostBytes = 4U << 20U;

/// One file, and what of it belongs to a wanted device.
struct CdiFile {
    std::string path = {};
    std::string kind = {};  ///< "vendor.com/class"
    Node node = {};
};

/// What is in the list at `key`; nothing where there is none.
const std::vector<Node>& items_at(const Node& node, const char* key) {
    static const std::vector<Node> kNone;
    const Node* list = node.find(key);
    return list != nullptr && list->is_list() ? list->items : kNone;
}

std::vector<std::string> texts_of(const Node& node, const char* key) {
    std::vector<std::string> texts;
    for (const Node& item : items_at(node, key)) texts.push_back(item.text);
    return texts;
}

/// A number as YAML and JSON write it; `otherwise` where there is none.
Result<std::uint32_t> number_of(const Node& node, const char* key, std::uint32_t otherwise) {
    const std::string text = text_at(node, key);
    if (text.empty()) return otherwise;
    const bool octal = text.size() > 1 && text.front() == '0';
    std::uint32_t number = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, octal ? 8 : 10);
    if (error == std::errc() && end == text.data() + text.size()) return number;
    return Error(ErrorKind::InvalidInput,
                 fmt::format("'{}: {}' is no number", key, printable(text)));
}

Result<CdiFile> read_cdi_file(const std::string& path) {
    std::string text = TRY(read_file(path, kMostBytes));
    Diagnostics diagnostics;
    const auto documents = compose::read_yaml(compose::make_source(path, std::move(text)),
                                              diagnostics);  // JSON is YAML
    CdiFile file;
    file.path = path;
    if (documents && !documents->empty() && documents->front().is_mapping())
        file.node = documents->front();
    file.kind = text_at(file.node, "kind");
    if (!file.kind.empty() && !text_at(file.node, "cdiVersion").empty()) return file;
    return Error(ErrorKind::InvalidInput,
                 fmt::format("'{}' is no file of the Container Device Interface", path))
        .help("it needs 'cdiVersion' and 'kind'");
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

    /// Takes a `containerEdits`; nullptr asks for nothing.
    Result<void> add(const Node* edits) {
        if (edits == nullptr) return {};
        for (const std::string& text : texts_of(*edits, "env")) {
            const std::size_t equals = text.find('=');
            if (equals == 0 || equals == std::string::npos)
                return Error(ErrorKind::InvalidInput,
                             fmt::format("'{}' is no environment variable", printable(text)));
            edits_.env[text.substr(0, equals)] = text.substr(equals + 1);
        }
        for (const Node& entry : items_at(*edits, "deviceNodes")) TRY(add_device(entry));
        for (const Node& entry : items_at(*edits, "mounts")) TRY(add_mount(entry));
        for (const Node& entry : items_at(*edits, "hooks")) TRY(add_hook(entry));
        for (const std::string& group : texts_of(*edits, "additionalGids")) {
            const auto number = parse_integer(group);
            if (!number || *number < 0 || *number > std::numeric_limits<std::int32_t>::max())
                return Error(ErrorKind::InvalidInput,
                             fmt::format("'{}' is no group number", printable(group)));
            edits_.groups.push_back(static_cast<std::uint32_t>(*number));
        }
        if (edits->find("intelRdt") != nullptr)
            return Error(ErrorKind::Unsupported, "it asks for 'intelRdt', which davit doesn't do");
        return {};
    }

private:
    Result<void> add_device(const Node& entry) {
        const std::string target = text_at(entry, "path");
        const std::string source =
            text_at(entry, "hostPath").empty() ? target : text_at(entry, "hostPath");
        const std::string permissions = text_at(entry, "permissions");
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
        node.mode = TRY(number_of(entry, "fileMode", info.st_mode & kPermissionBits));
        node.uid = TRY(number_of(entry, "uid", info.st_uid));
        node.gid = TRY(number_of(entry, "gid", info.st_gid));
        std::erase_if(edits_.devices,
                      [&](const DeviceNode& other) { return other.target == node.target; });
        edits_.devices.push_back(std::move(node));
        return {};
    }

    Result<void> add_mount(const Node& entry) {
        CdiMount mount;
        mount.source = text_at(entry, "hostPath");
        mount.target = text_at(entry, "containerPath");
        mount.type = text_at(entry, "type");
        mount.options = texts_of(entry, "options");
        if (!mount.target.starts_with('/') || mount.source.empty())
            return Error(ErrorKind::InvalidInput,
                         "a mount needs 'hostPath' and an absolute 'containerPath'");
        std::erase_if(edits_.mounts,
                      [&](const CdiMount& other) { return other.target == mount.target; });
        edits_.mounts.push_back(std::move(mount));
        return {};
    }

    Result<void> add_hook(const Node& entry) {
        constexpr std::array<std::string_view, 6> kKnown = {"prestart",        "createRuntime",
                                                            "createContainer", "startContainer",
                                                            "poststart",       "poststop"};
        const std::string name = text_at(entry, "hookName");
        const std::string path = text_at(entry, "path");
        if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end() || !path.starts_with('/'))
            return Error(ErrorKind::InvalidInput,
                         fmt::format("a hook '{}' with the path '{}' can't be", printable(name),
                                     printable(path)));
        Json hook = {{"path", path}};
        for (const char* list : {"args", "env"}) {
            if (entry.find(list) != nullptr) hook[list] = texts_of(entry, list);
        }
        if (entry.find("timeout") != nullptr) hook["timeout"] = TRY(number_of(entry, "timeout", 0));
        Json& all = edits_.hooks[name];
        // What two devices share they also ask for both.
        if (std::find(all.begin(), all.end(), hook) == all.end()) all.push_back(std::move(hook));
        return {};
    }

    CdiEdits& edits_;
};

/// The entry that describes `name`, and the file that it is in; nullptr where there is none.
std::pair<const CdiFile*, const Node*> find_device(const std::vector<CdiFile>& files,
                                                   const std::string& kind,
                                                   const std::string& name) {
    for (const CdiFile& file : files) {
        if (file.kind != kind) continue;
        for (const Node& entry : items_at(file.node, "devices"))
            if (text_at(entry, "name") == name) return {&file, &entry};
    }
    return {nullptr, nullptr};
}

Error missing(const std::string& name, const std::vector<CdiFile>& files,
              const std::string& problem) {
    std::string known;
    for (const CdiFile& file : files) {
        for (const Node& entry : items_at(file.node, "devices"))
            known += fmt::format("{}{}={}", known.empty() ? "" : ", ", file.kind,
                                 text_at(entry, "name"));
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
        const auto [file, entry] = find_device(files, kind, device.name.substr(equals + 1));
        if (file == nullptr) return missing(device.name, files, problem);
        if (files_taken.insert(file->path).second)
            TRY_DOING(collector.add(file->node.find("containerEdits")), "read '{}'", file->path);
        TRY_DOING(collector.add(entry->find("containerEdits")), "read '{}'", file->path);
    }
    return edits;
}

}  // namespace davit::stack
