#include "base/bytes.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "compose/bind.h"
#include "compose/model.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <system_error>

// What a service shares with the host or with other containers: devices, namespaces, bandwidth.
namespace davit::compose {
namespace {

bool is_permissions(const std::string& text) {
    return !text.empty() && text.find_first_not_of("rwm") == std::string::npos;
}

/// "c 1:3 rwm", "b *:* m", "a" …; @source docker/cli opts validateDeviceCgroupRule
bool is_device_rule(const std::string& text) {
    const std::vector<std::string> parts = split(text, ' ');
    if (parts.size() != 3 || parts[0].size() != 1 ||
        std::string_view("abc").find(parts[0]) == std::string_view::npos ||
        !is_permissions(parts[2]))
        return false;
    const std::vector<std::string> numbers = split(parts[1], ':');
    const auto is_number = [](const std::string& number) {
        const auto value = parse_integer(number);
        return number == "*" || (value && *value >= 0 && *value <= 0xFFFFF);
    };
    return numbers.size() == 2 && is_number(numbers[0]) && is_number(numbers[1]);
}

/// "vendor.com/class=name"
bool is_cdi_name(const std::string& text) {
    const std::size_t slash = text.find('/');
    const std::size_t equals = text.find('=');
    return slash != 0 && slash != std::string::npos && equals != std::string::npos &&
           equals > slash + 1 && equals + 1 < text.size();
}

/// The devices of one entry of `gpus` or of `deploy.resources.reservations.devices`. Docker asks
/// the driver of the vendor; here the vendor's file for the same device is looked up.
void bind_request(const Node& item, const char* attribute, Service& service,
                  Diagnostics& diagnostics) {
    const std::string driver = text_at(item, "driver");
    const std::vector<std::string> capabilities = texts_at(item, "capabilities");
    const bool gpu =
        std::string_view(attribute) == "gpus" ||
        std::find(capabilities.begin(), capabilities.end(), "gpu") != capabilities.end();
    const std::vector<std::string> ids = texts_at(item, "device_ids");
    const auto add = [&](std::string name) {
        service.cdi_devices.push_back({std::move(name), attribute});
    };
    if (driver == "cdi") {
        for (const std::string& id : ids) {
            if (is_cdi_name(id))
                add(id);
            else
                diagnostics.error(fmt::format("'{}' names no device", printable(id)),
                                  place_of_item(item), "write it as vendor.com/class=name");
        }
        return;
    }
    const bool known = driver.empty() || driver == "nvidia" || driver == "amd";
    if (!known || !gpu) {
        diagnostics.error(driver.empty()
                              ? std::string("no driver has devices with these "
                                            "capabilities")
                              : fmt::format("there is no device driver '{}'", printable(driver)),
                          place_of_item(item),
                          "use the capability 'gpu', or 'driver: cdi' with names in 'device_ids'");
        return;
    }
    const std::string kind = driver == "amd" ? "amd.com/gpu" : "nvidia.com/gpu";
    for (const std::string& id : ids) add(kind + "=" + id);
    if (!ids.empty()) return;
    constexpr std::int64_t kMost = 256;
    const std::int64_t count = parse_integer(text_at(item, "count")).value_or(-1);
    if (count < 0) return add(kind + "=all");
    for (std::int64_t i = 0; i < std::min(count, kMost); ++i) add(fmt::format("{}={}", kind, i));
}

void bind_requests(const Node& node, Service& service, Diagnostics& diagnostics) {
    if (const Node* list = node.find("gpus")) {
        for (const Node& item : list->items) bind_request(item, "gpus", service, diagnostics);
    }
    const Node* below = node.find("deploy");
    for (const char* key : {"resources", "reservations", "devices"})
        below = below != nullptr ? below->find(key) : nullptr;
    if (below == nullptr) return;
    for (const Node& item : below->items)
        bind_request(item, "deploy.resources.reservations.devices", service, diagnostics);
}

void bind_storage(const Node& node, Service& service, Diagnostics& diagnostics) {
    const Node* options = node.find("storage_opt");
    if (options == nullptr) return;
    for (const Node& option : options->items) {
        if (option.key != "size") {
            diagnostics.error(fmt::format("unknown storage option '{}'", printable(option.key)),
                              option.key_pos, "the only one is 'size', such as 10G");
            continue;
        }
        const Result<std::int64_t> bytes = parse_bytes(option.text);
        if (bytes && *bytes > 0)
            service.storage_bytes = *bytes;
        else
            diagnostics.error(fmt::format("'{}' is no size", printable(option.text)),
                              option.place(), "write it such as 10G");
    }
}

struct Mode {
    const char* key;
    std::string Sharing::*field;
    std::vector<std::string_view> words;  ///< That may stand alone.
    bool joins;                           ///< service:NAME and container:NAME
    bool needs_host_users;                ///< The host's cannot be used from other users' side.
};

void bind_mode(const Node& node, const Mode& mode, Service& service, Diagnostics& diagnostics) {
    std::string text = text_at(node, mode.key);
    if (text.empty() || text == "private") return;
    const bool joined = mode.joins &&
                        (text.starts_with("service:") || text.starts_with("container:")) &&
                        !text.ends_with(':');
    if (!joined && std::find(mode.words.begin(), mode.words.end(), text) == mode.words.end()) {
        std::string help = "use";
        for (const std::string_view word : mode.words) help += fmt::format(" '{}',", word);
        if (mode.joins) help += " 'service:NAME', 'container:NAME',";
        help.pop_back();
        diagnostics.error(fmt::format("'{}: {}' is unknown", mode.key, printable(text)),
                          node.find(mode.key)->place(),
                          help + ", or leave it out for one of its own");
        return;
    }
    if (text == "host" && mode.needs_host_users) service.privileges.host_users = true;
    service.sharing.*mode.field = std::move(text);
}

std::vector<BlockLimit> block_limits(const Node& config, const char* key, const char* value) {
    std::vector<BlockLimit> limits;
    if (const Node* list = config.find(key)) {
        for (const Node& item : list->items)
            limits.push_back(
                {text_at(item, "path"), static_cast<std::uint64_t>(std::max<std::int64_t>(
                                            parse_integer(text_at(item, value)).value_or(0), 0))});
    }
    return limits;
}

}  // namespace

void bind_devices(const Node& node, Service& service, Diagnostics& diagnostics) {
    bind_requests(node, service, diagnostics);
    bind_storage(node, service, diagnostics);
    if (const Node* list = node.find("devices")) {
        for (const Node& item : list->items) {
            Device device;
            device.source = text_at(item, "source");
            device.target = text_at(item, "target");
            if (const std::string permissions = text_at(item, "permissions"); !permissions.empty())
                device.permissions = permissions;
            // As with Docker, two parts can be a path and permissions.
            if (!device.target.starts_with('/') && is_permissions(device.target)) {
                device.permissions = device.target;
                device.target.clear();
            }
            if (device.target.empty()) device.target = device.source;
            if (is_cdi_name(device.source)) {
                service.cdi_devices.push_back({device.source, "devices"});
                continue;
            }
            device.source = clean_path(device.source);
            device.target = clean_path(device.target);
            if (!device.source.starts_with('/') || !device.target.starts_with('/') ||
                device.target == "/")
                diagnostics.error("a device is named by its absolute path", place_of_item(item),
                                  "write it as /dev/HOST:/dev/CONTAINER:rwm");
            else if (!is_permissions(device.permissions))
                diagnostics.error(fmt::format("'{}' are no permissions of a device",
                                              printable(device.permissions)),
                                  place_of_item(item), "use letters of 'rwm'");
            else
                service.devices.push_back(std::move(device));
        }
    }
    const Node* rules = node.find("device_cgroup_rules");
    if (rules == nullptr) return;
    for (const Node& rule : rules->items) {
        if (is_device_rule(rule.text))
            service.device_cgroup_rules.push_back(rule.text);
        else
            diagnostics.error(fmt::format("'{}' is not a device rule", printable(rule.text)),
                              rule.place(), "write it such as 'c 1:3 rwm' or 'b 8:* rm'");
    }
}

void bind_sharing(const Node& node, Service& service, Diagnostics& diagnostics) {
    const Mode modes[] = {
        {"pid", &Sharing::pid, {"host"}, true, true},
        {"ipc", &Sharing::ipc, {"host", "none", "shareable"}, true, true},
        {"uts", &Sharing::uts, {"host"}, false, false},
        {"cgroup", &Sharing::cgroup, {"host"}, false, false},
    };
    for (const Mode& mode : modes) bind_mode(node, mode, service, diagnostics);
    std::string parent = text_at(node, "cgroup_parent");
    if (parent.empty()) return;
    if (!parent.starts_with('/')) parent = "/" + parent;
    const std::vector<std::string> parts = split(parent, '/');
    if (std::find(parts.begin(), parts.end(), "..") != parts.end()) {
        diagnostics.error("a cgroup can't be named with '..'", node.find("cgroup_parent")->place(),
                          "name it from the top, such as /batch");
        return;
    }
    service.cgroup_parent = clean_path(parent);
}

void bind_block_io(const Node& node, Service& service, Diagnostics& diagnostics) {
    service.resources.cpuset = text_at(node, "cpuset");
    if (service.resources.cpuset.find_first_not_of("0123456789,-") != std::string::npos)
        diagnostics.error(
            fmt::format("'{}' is not a list of processors", printable(service.resources.cpuset)),
            node.find("cpuset")->place(), "write it such as '0-3' or '0,2'");
    service.resources.cpu_realtime_runtime_us =
        parse_integer(text_at(node, "cpu_rt_runtime")).value_or(0);
    service.resources.cpu_realtime_period_us =
        parse_integer(text_at(node, "cpu_rt_period")).value_or(0);
    const Node* config = node.find("blkio_config");
    if (config == nullptr || !config->is_mapping()) return;
    BlockIo& limits = service.resources.block_io;
    const std::int64_t weight = parse_integer(text_at(*config, "weight")).value_or(0);
    if (weight != 0 && (weight < 10 || weight > 1000))
        diagnostics.error(fmt::format("the weight {} is not 10 to 1000", weight),
                          config->find("weight")->place(), "use 10 to 1000, or 0 for none");
    else
        limits.weight = static_cast<std::uint64_t>(weight);
    limits.weight_device = block_limits(*config, "weight_device", "weight");
    limits.read_bps = block_limits(*config, "device_read_bps", "rate");
    limits.read_iops = block_limits(*config, "device_read_iops", "rate");
    limits.write_bps = block_limits(*config, "device_write_bps", "rate");
    limits.write_iops = block_limits(*config, "device_write_iops", "rate");
}

void bind_seccomp_profile(const Node& node, const std::string& folder, Service& service,
                          Diagnostics& diagnostics) {
    std::string& path = service.privileges.seccomp_file;
    if (path.empty()) return;
    constexpr std::size_t kLargest = 1 << 20;
    const SourcePos where = node.find("security_opt")->place();
    const std::string written = path;
    if (!path.starts_with('/')) path = clean_path(folder + "/" + path);
    Result<std::string> text = read_regular_file(path, kLargest);
    if (!text) {
        const std::string why = std::generic_category().message(text.error().error_number());
        diagnostics.error(
            fmt::format("the seccomp profile '{}' can't be read: {}", printable(written),
                        text.error().error_number() != 0 ? why : text.error().to_string()),
            where, "name a profile in JSON, 'unconfined' or 'builtin'");
        return;
    }
    const Result<Json> json = parse_json(*text, "the profile");
    if (!json || !json->is_object()) {
        diagnostics.error(fmt::format("the seccomp profile '{}' is not one: {}", printable(written),
                                      json ? "it is no object" : json.error().to_string()),
                          where, "write it in JSON as Docker reads it");
        return;
    }
    service.privileges.seccomp_profile = *std::move(text);
}

}  // namespace davit::compose
