#include "stack/lower.h"

#include "base/digest.h"
#include "base/file.h"
#include "runtime/capabilities.h"
#include "runtime/mount_options.h"
#include "stack/lower_config.h"

#include <algorithm>

namespace davit::stack {
namespace {

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The image's variables, then the service's over them, then what every program may count on.
std::vector<std::string> environment(const ContainerInputs& in, const std::string& hostname) {
    std::map<std::string, std::string> variables = {
        {"PATH", kDefaultPath}, {"HOME", in.user.home}, {"HOSTNAME", hostname}};
    if (in.wanted->config.tty) variables["TERM"] = "xterm";
    for (const std::string& entry : in.image->config.env) {
        const std::size_t equals = entry.find('=');
        if (equals == 0 || equals == std::string::npos) continue;
        variables[entry.substr(0, equals)] = entry.substr(equals + 1);
    }
    for (const auto& [name, value] : in.wanted->config.environment) variables[name] = value;
    for (const auto& [name, value] : in.cdi.env) variables[name] = value;
    std::vector<std::string> list;
    for (const auto& [name, value] : variables) list.push_back(name + "=" + value);
    return list;
}

std::map<std::string, std::string> labels(const ContainerInputs& in) {
    std::map<std::string, std::string> all = in.image->config.labels;
    for (const auto& [key, value] : in.wanted->config.labels) all[key] = value;
    std::string files;
    for (const std::string& file : in.project->files) files += (files.empty() ? "" : ",") + file;
    all["com.docker.compose.project"] = in.project->name;
    all["com.docker.compose.project.working_dir"] = in.project->working_dir;
    all["com.docker.compose.project.config_files"] = files;
    all["com.docker.compose.service"] = in.wanted->service;
    all["com.docker.compose.container-number"] = fmt::format("{}", in.wanted->number);
    all["com.docker.compose.config-hash"] = in.wanted->config_hash;
    all["com.docker.compose.image"] = "sha256:" + in.image->id;
    all["com.docker.compose.oneoff"] = in.wanted->one_off ? "True" : "False";
    return all;
}

/// Named by where it is mounted, so that a recreated container finds its data again.
MountRecord anonymous_volume(const ContainerInputs& in, const std::string& target) {
    MountRecord record;
    record.type = "volume";
    record.destination = target;
    record.anonymous = true;
    record.name = sha256_hex(in.name + "\n" + target);
    record.source = in.anonymous_dir + "/" + record.name + "/_data";
    return record;
}

void set_bind(const compose::Mount& mount, MountRecord& record) {
    record.type = "bind";
    record.source = mount.source;
    record.propagation = mount.propagation;
    record.alone = mount.recursive == "disabled";
    if (mount.recursive == "readonly") record.options.emplace_back("rro");
}

void set_named_volume(const ContainerInputs& in, const compose::Mount& mount, MountRecord& record) {
    const auto volume = in.project->volumes.find(mount.source);
    record.type = "volume";
    record.name = volume == in.project->volumes.end() ? mount.source : volume->second.name;
    record.source = in.volumes_dir + "/" + record.name + "/_data";
    const auto options = in.volume_mounts.find(record.name);
    if (options == in.volume_mounts.end()) return;
    record.read_only = record.read_only || options->second.is_read_only();
    if (!options->second.is_bind()) return;
    record.source = options->second.device;
    record.options = options->second.oci_options();
}

MountRecord mount_record(const ContainerInputs& in, const compose::Mount& mount) {
    if (mount.type == compose::MountType::Volume && mount.source.empty()) {
        MountRecord record = anonymous_volume(in, mount.target);
        record.read_only = mount.read_only;
        return record;
    }
    MountRecord record;
    record.destination = mount.target;
    record.read_only = mount.read_only;
    switch (mount.type) {
        case compose::MountType::Bind: set_bind(mount, record); break;
        case compose::MountType::Volume: set_named_volume(in, mount, record); break;
        case compose::MountType::Image:
            record.type = "image";
            record.source = mount.source;
            record.read_only = true;
            if (const auto image = in.mounted_images.find(mount.source);
                image != in.mounted_images.end())
                record.name = image->second.id;
            break;
    }
    if (!mount.subpath.empty()) record.options.push_back(runtime::kSubpathOption + mount.subpath);
    return record;
}

/// VOLUME of the image, where the service puts nothing else.
void add_image_volumes(const ContainerInputs& in, ContainerRecord& record) {
    const auto taken = [&](const std::string& path) {
        const auto& tmpfs = in.wanted->config.tmpfs;
        return std::any_of(record.mounts.begin(), record.mounts.end(),
                           [&](const MountRecord& mount) { return mount.destination == path; }) ||
               std::any_of(tmpfs.begin(), tmpfs.end(),
                           [&](const compose::Tmpfs& one) { return one.target == path; });
    };
    for (const std::string& volume : in.image->config.volumes) {
        const std::string path = clean_path("/" + volume);
        if (path != "/" && !taken(path)) record.mounts.push_back(anonymous_volume(in, path));
    }
}

/// Whether the container may have a DNS server of its own: it, or its image, names port 53.
bool answers_dns(const compose::Service& service, const std::vector<std::string>& exposed) {
    const auto is_dns = [](const std::string& port) {
        return port.substr(0, port.find('/')) == "53";
    };
    return std::any_of(exposed.begin(), exposed.end(), is_dns) ||
           std::any_of(service.expose.begin(), service.expose.end(), is_dns) ||
           std::any_of(service.ports.begin(), service.ports.end(),
                       [](const compose::Port& port) { return port.target == 53; });
}

/// The image's and the file's, "80/tcp" each; a range of the file is its ports.
std::vector<std::string> exposed_ports(const compose::Service& service,
                                       const image::ImageConfig& image) {
    std::vector<std::string> ports = image.exposed_ports;
    for (const std::string& text : service.expose) {
        const std::size_t slash = text.find('/');
        const std::string protocol = slash == std::string::npos ? "/tcp" : text.substr(slash);
        const std::vector<std::string> ends = split(text.substr(0, slash), '-');
        const auto first = parse_integer(ends.front());
        const auto last = parse_integer(ends.back());
        if (!first || !last || *first < 1 || *last > 65535) continue;  // a mistake, told already
        for (long long port = *first; port <= *last; ++port) {
            std::string exposed = fmt::format("{}{}", port, protocol);
            if (std::find(ports.begin(), ports.end(), exposed) == ports.end())
                ports.push_back(std::move(exposed));
        }
    }
    return ports;
}

}  // namespace

std::string inline_file(const std::string& run_dir, std::size_t index) {
    return fmt::format("{}/files/{}", run_dir, index);
}

std::string device_file(const std::string& state_dir, std::size_t index) {
    return fmt::format("{}/devices/{}", state_dir, index);
}

std::string cgroup_of(const ContainerRecord& record) {
    return record.cgroup_parent + cgroup_path(record.project, record.name);
}

std::string cgroup_path(const std::string& project, const std::string& container) {
    return "/davit/" + project + "/" + container;
}

CommandLine command_line(const compose::Service& service, const image::ImageConfig& image) {
    CommandLine line;
    line.entrypoint = service.entrypoint.value_or(image.entrypoint);
    if (service.command && !service.command->empty())
        line.cmd = *service.command;
    else if (!service.entrypoint)
        line.cmd = image.cmd;
    return line;
}

ContainerRecord make_record(const ContainerInputs& in) {
    const compose::Service& service = in.wanted->config;
    const CommandLine line = command_line(service, in.image->config);
    ContainerRecord record;
    record.id = in.id;
    record.name = in.name;
    record.project = in.project->name;
    record.service = in.wanted->service;
    record.number = in.wanted->number;
    record.image = service.image;
    record.image_id = in.image->id;
    record.config_hash = in.wanted->config_hash;
    record.created = in.created;
    record.working_dir = in.project->working_dir;
    record.files = in.project->files;
    record.hostname = !service.hostname.empty() ? service.hostname
                      : !in.hostname.empty()    ? in.hostname
                                                : in.id.substr(0, 12);
    record.user = service.user.empty() ? in.image->config.user : service.user;
    record.cwd = service.working_dir.empty() ? in.image->config.working_dir : service.working_dir;
    if (record.cwd.empty()) record.cwd = "/";
    record.entrypoint = line.entrypoint;
    record.cmd = line.cmd;
    record.env = environment(in, record.hostname);
    record.labels = labels(in);
    record.exposed_ports = exposed_ports(service, in.image->config);
    record.ports = in.ports;
    for (const compose::Mount& mount : service.volumes)
        record.mounts.push_back(mount_record(in, mount));
    for (std::size_t i = 0; i < service.inline_files.size(); ++i) {
        MountRecord file;
        file.type = "bind";
        file.file = true;
        file.source = inline_file(in.run_dir, i);
        file.destination = service.inline_files[i].target;
        file.read_only = true;
        record.mounts.push_back(std::move(file));
    }
    add_image_volumes(in, record);
    record.post_start = service.post_start;
    record.pre_stop = service.pre_stop;
    record.endpoints = in.endpoints;
    record.needs = in.wanted->needs;
    record.gates = in.wanted->gates;
    record.one_off = in.wanted->one_off;
    record.restart = service.restart;
    record.logging = service.logging;
    record.resources = service.resources;
    record.resolver = service.resolver;
    record.links = service.links;
    record.links.insert(record.links.end(), service.external_links.begin(),
                        service.external_links.end());
    record.network_mode = service.network_mode;
    record.network_container = in.joins.network_container;
    record.network_id = in.joins.network_id;
    record.relay_ports = service.relay_ports;
    record.own_dns = answers_dns(service, in.image->config.exposed_ports);
    record.read_only = service.read_only;
    record.privileges = service.privileges;
    record.tty = service.tty;
    record.stdin_open = service.stdin_open;
    record.sharing = service.sharing;
    record.shm_size_bytes = service.shm_size_bytes;
    record.devices = service.devices;
    record.cgroup_parent = service.cgroup_parent;
    record.health_check = health_check_of(service, in.image->config);
    record.stop_signal =
        service.stop_signal.empty() ? in.image->config.stop_signal : service.stop_signal;
    if (service.stop_grace_period)
        record.stop_timeout =
            std::chrono::duration_cast<std::chrono::milliseconds>(*service.stop_grace_period);
    record.uid_base = in.uid_base;
    record.state_dir = in.state_dir;
    if (service.logging.driver != "none")
        record.log_path = in.state_dir + "/" + in.id + "-json.log";
    return record;
}

Result<Json> make_config(const ContainerInputs& in, const ContainerRecord& record,
                         const std::string& run_dir) {
    const compose::Service& service = in.wanted->config;
    const std::uint64_t capabilities = TRY(capabilities_of(service));
    Json config = {{"ociVersion", "1.2.0"},
                   {"process", process_json(record, in.user, service, capabilities)},
                   {"root", {{"path", "rootfs"}, {"readonly", service.read_only}}},
                   {"mounts", mounts_json(in, record, run_dir)}};
    // The host's name stays as it is.
    if (service.sharing.uts != "host") {
        config["hostname"] = record.hostname;
        if (!service.domainname.empty()) config["domainname"] = service.domainname;
    }
    config["linux"] = TRY(linux_json(in, record, capabilities));
    config["annotations"] = TRY(annotations_json(in, record));
    for (const auto& [name, value] : service.annotations) config["annotations"][name] = value;
    if (!in.cdi.hooks.empty()) config["hooks"] = in.cdi.hooks;
    if (record.entrypoint.empty() && record.cmd.empty())
        return Error(ErrorKind::InvalidInput,
                     fmt::format("neither service '{}' nor its image says what to run",
                                 record.service))
            .help("add 'command:' to the service");
    return config;
}

}  // namespace davit::stack
