#include "stack/boot.h"

#include "base/file.h"
#include "base/json.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::stack {
namespace {

using Condition = compose::RestartPolicy::Condition;

constexpr const char* kUnits = "/etc/systemd/system";

std::string ended_file(const Paths& paths, const ContainerRecord& record) {
    return paths.container(record.project, record.name) + "/ended.json";
}

/// There while the machine goes down: the containers that are to come back.
std::string boot_file(const Paths& paths, const std::string& project) {
    return paths.project(project) + "/boot.json";
}

/// Those that `boot_down` has stopped were not stopped by a user.
Result<void> forget_ends(const Paths& paths, const std::string& project) {
    const std::string file = boot_file(paths, project);
    const Result<std::string> text = read_file(file);
    if (!text && text.error().kind() == ErrorKind::NotFound) return {};
    if (!text) return Result<void>(text.error());
    const Json names = Json::parse(*text, nullptr, false);
    for (const ContainerView& view : TRY(list_containers(paths, project))) {
        const bool named = names.is_array() &&
                           std::find(names.begin(), names.end(), view.record.name) != names.end();
        if (!named) continue;
        const std::string ended = ended_file(paths, view.record);
        const Result<std::string> said = read_file(ended);
        Json end = said ? Json::parse(*said, nullptr, false) : Json();
        if (!end.is_object()) continue;
        // It is told in lists, and keeps nothing from coming back.
        end["with_machine"] = true;
        TRY(write_atomically(ended, end.dump(), 0600, Sync::No));
    }
    ::unlink(file.c_str());
    return {};
}

/// As systemd's files take it: in quotes, with specifiers that are none.
std::string unit_word(const std::string& text) {
    std::string safe = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') safe += '\\';
        if (c == '%') safe += '%';
        safe += c;
    }
    return safe + "\"";
}

std::string link_of(const std::string& root, const std::string& project) {
    return fmt::format("{}{}/multi-user.target.wants/{}", root, kUnits, unit_name(project));
}

std::string drop_in_folder(const std::string& root, const std::string& project) {
    return fmt::format("{}{}/{}.d", root, kUnits, unit_name(project));
}

/// Where the template is, as systemd names it, without `root`; empty where there is none.
std::string find_template(const std::string& root) {
    for (const char* folder : {"/etc/systemd/system", "/usr/lib/systemd/system",
                               "/lib/systemd/system", "/usr/local/lib/systemd/system"}) {
        const std::string path = std::string(folder) + "/davit@.service";
        if (exists(root + path)) return path;
    }
    return {};
}

}  // namespace

Ended read_ended(const Paths& paths, const ContainerRecord& record) {
    const Result<std::string> text = read_file(ended_file(paths, record));
    if (!text) return {};
    const Json json = Json::parse(*text, nullptr, false);
    // Half a file, as after a power cut, tells nothing.
    if (!json.is_object()) return {};
    Ended ended;
    ended.told = true;
    const auto is_true = [&](const char* key) {
        const auto found = json.find(key);
        return found != json.end() && found->is_boolean() && found->get<bool>();
    };
    ended.known = !is_true("with_machine");
    ended.by_user = ended.known && is_true("stopped_by_user");
    const auto code = json.find("exit_code");
    if (code != json.end() && code->is_number_integer()) ended.exit_code = code->get<int>();
    ended.finished_at = string_or(json, "finished_at");
    return ended;
}

bool comes_back(const compose::RestartPolicy& policy, const Ended& ended) {
    if (policy.condition == Condition::No) return false;
    if (!ended.known) return true;
    return !ended.by_user && policy.condition != Condition::OnFailure;
}

Result<Failures> boot_up(const Environment& environment, LifeRequest request) {
    TRY(forget_ends(environment.paths, request.project));
    for (const ContainerView& view : TRY(list_containers(environment.paths, request.project)))
        if (comes_back(view.record.restart, read_ended(environment.paths, view.record)))
            request.containers.insert(view.record.name);
    return start(environment, request);
}

Result<Failures> boot_down(const Environment& environment, LifeRequest request) {
    const Paths& paths = environment.paths;
    Json names = Json::array();
    for (const ContainerView& view : TRY(list_containers(paths, request.project))) {
        const bool runs = view.state.status != runtime::Status::Created &&
                          view.state.status != runtime::Status::Exited;
        if (!runs) continue;
        names.push_back(view.record.name);
        request.containers.insert(view.record.name);
    }
    if (names.empty()) return Failures();
    TRY(write_atomically(boot_file(paths, request.project), names.dump(), 0600, Sync::Yes));
    Failures failed = TRY(stop(environment, request));
    TRY(forget_ends(paths, request.project));
    return failed;
}

std::string unit_name(const std::string& project) { return "davit@" + project + ".service"; }

std::string unit_template(const std::string& program) {
    return fmt::format(R"([Unit]
Description=The containers of the davit project %i
Documentation=man:davit-enable(1)
Wants=network-online.target
After=network-online.target local-fs.target remote-fs.target nss-lookup.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={0} boot up %i
ExecStop={0} boot down %i
# Containers have cgroups of their own; one that fails takes no other one down.
KillMode=process
# Dependencies have limits of their own, and each container has its stop_grace_period.
TimeoutStartSec=infinity
TimeoutStopSec=10min

[Install]
WantedBy=multi-user.target
)",
                       program);
}

std::string unit_drop_in(const BootUnit& unit) {
    std::string text =
        "# Made by 'davit enable'; 'davit disable' removes it.\n[Unit]\n"
        "RequiresMountsFor=" +
        unit_word(unit.data_root) + "\n";
    for (const std::string& path : unit.mounts)
        text += "RequiresMountsFor=" + unit_word(path) + "\n";
    return text + "\n[Service]\nEnvironment=" + unit_word("DAVIT_DATA_ROOT=" + unit.data_root) +
           "\n";
}

Result<void> enable_unit(const std::string& root, const BootUnit& unit) {
    std::string path = find_template(root);
    if (path.empty()) {
        path = std::string(kUnits) + "/davit@.service";
        TRY(make_directories(root + kUnits, 0755));
        TRY(write_atomically(root + path, unit_template(unit.program), 0644, Sync::Yes));
    }
    const std::string folder = drop_in_folder(root, unit.project);
    TRY(make_directories(folder, 0755));
    TRY(write_atomically(folder + "/davit.conf", unit_drop_in(unit), 0644, Sync::Yes));
    const std::string link = link_of(root, unit.project);
    TRY(make_directories(link.substr(0, link.rfind('/')), 0755));
    // Last: from here on it is enabled.
    if (::symlink(path.c_str(), link.c_str()) == -1 && errno != EEXIST)
        return Error::from_errno(errno, "symlink(2)").doing("make the link '{}'", link);
    return {};
}

Result<bool> disable_unit(const std::string& root, const std::string& project) {
    const std::string link = link_of(root, project);
    if (::unlink(link.c_str()) == -1) {
        if (errno != ENOENT)
            return Error::from_errno(errno, "unlink(2)").doing("remove the link '{}'", link);
        TRY(remove_tree(drop_in_folder(root, project)));
        return false;
    }
    TRY(remove_tree(drop_in_folder(root, project)));
    return true;
}

bool is_enabled(const std::string& root, const std::string& project) {
    struct stat info {};
    return ::lstat(link_of(root, project).c_str(), &info) == 0;
}

}  // namespace davit::stack
