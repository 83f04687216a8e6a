#include "cli/commands/life.h"
#include "cli/container_rows.h"
#include "cli/exit_code.h"
#include "cli/inspect_text.h"
#include "cli/intents.h"
#include "cli/render.h"
#include "cli/row_format.h"
#include "cli/selection.h"
#include "stack/volumes.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>

namespace davit::cli {
namespace {

using stack::VolumeView;

/// The keys of `docker volume ls --format json`.
Json row_of(const VolumeView& volume) {
    std::string labels;
    for (const auto& [key, value] : volume.record.labels)
        labels += fmt::format("{}{}={}", labels.empty() ? "" : ",", key, value);
    return {{"Availability", "N/A"},
            {"Driver", "local"},
            {"Group", "N/A"},
            {"Labels", labels},
            {"Links", "N/A"},
            {"Mountpoint", volume.mountpoint},
            {"Name", volume.record.name},
            {"Scope", "local"},
            {"Size", "N/A"},
            {"Status", "N/A"}};
}

/// @source docker/cli cli/command/formatter/volume.go
RowKind volume_kind() {
    return {{{"Driver", "DRIVER"},
             {"Name", "VOLUME NAME"},
             {"Availability", "AVAILABILITY"},
             {"Group", "GROUP"},
             {"Labels", "LABELS"},
             {"Links", "LINKS"},
             {"Mountpoint", "MOUNTPOINT"},
             {"Scope", "SCOPE"},
             {"Size", "SIZE"},
             {"Status", "STATUS"}},
            {"Driver", "Name"}};
}

/// The object of `docker volume inspect`.
Json whole(const VolumeView& volume) {
    return {
        {"CreatedAt", volume.record.created},
        {"Driver", "local"},
        {"Labels", volume.record.labels.empty() ? Json(nullptr) : Json(volume.record.labels)},
        {"Mountpoint", volume.mountpoint},
        {"Name", volume.record.name},
        {"Options", volume.record.options.empty() ? Json(nullptr) : Json(volume.record.options)},
        {"Scope", "local"}};
}

Result<std::string> listing(const std::vector<VolumeView>& volumes, bool quiet,
                            const std::string& format) {
    std::vector<ListedRow> rows;
    for (const VolumeView& volume : volumes) rows.push_back({row_of(volume), volume.record.labels});
    const RowFormat parsed = TRY(RowFormat::parse(quiet ? "{{.Name}}" : format, volume_kind()));
    return parsed.text(rows);
}

/// `--filter` of `volume ls`: name=, label=, dangling=.
Result<bool> takes(const VolumeView& volume, const std::string& filter) {
    const std::size_t equals = filter.find('=');
    const std::string key = filter.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : filter.substr(equals + 1);
    if (key == "name") return volume.record.name.find(value) != std::string::npos;
    if (key == "driver") return value == "local";
    if (key == "dangling") return (value == "true" || value == "1") == volume.users.empty();
    if (key == "label") {
        const std::size_t at = value.find('=');
        const auto label = volume.record.labels.find(value.substr(0, at));
        return label != volume.record.labels.end() &&
               (at == std::string::npos || label->second == value.substr(at + 1));
    }
    return Error(ErrorKind::InvalidInput, fmt::format("invalid filter '{}'", key))
        .help("use name, label, driver or dangling");
}

/// "a=b" lists as a table. @errors InvalidInput
Result<std::map<std::string, std::string>> pairs(const std::vector<std::string>& words,
                                                 const char* flag) {
    std::map<std::string, std::string> table;
    for (const std::string& word : words) {
        const std::size_t equals = word.find('=');
        if (equals == 0)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' of {} has no name", word, flag));
        table[word.substr(0, equals)] =
            equals == std::string::npos ? std::string() : word.substr(equals + 1);
    }
    return table;
}

}  // namespace

void declare(CLI::App& command, VolumesFlags& flags) {
    command.add_flag("-q,--quiet", flags.quiet, "Only names");
    command.add_option("--format", flags.format,
                       "table, json (one object a line), a template or table TEMPLATE");
    command.add_option("SERVICE", flags.services, "Only those of these services");
}

Result<int> run(const Context& context, const VolumesFlags& flags) {
    const TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    const Target& target = *found.target;
    std::set<std::string> used;
    for (const Selection& selection : TRY(select_containers(target, flags.services)))
        for (const stack::ContainerView& view : selection.views)
            for (const stack::MountRecord& mount : view.record.mounts)
                if (mount.type == "volume" && !mount.anonymous) used.insert(mount.name);
    std::vector<VolumeView> volumes = TRY(stack::list_volumes(target.environment.paths));
    std::erase_if(volumes, [&](const VolumeView& volume) {
        const bool own = flags.services.empty() && volume.record.project == target.project;
        return !own && !used.contains(volume.record.name);
    });
    to_stdout(TRY(listing(volumes, flags.quiet, flags.format)));
    return kOk;
}

void declare(CLI::App& command, VolumeListFlags& flags) {
    command.add_flag("-q,--quiet", flags.quiet, "Only names");
    command.add_option("--format", flags.format,
                       "table, json (one object a line), a template or table TEMPLATE");
    command.add_option("-f,--filter", flags.filters, "name=, label=, driver= or dangling=true")
        ->allow_extra_args(false);
}

Result<int> run(const Context& context, const VolumeListFlags& flags) {
    stack::Paths paths;
    paths.data_root = TRY(image_data_root(context));
    std::vector<VolumeView> chosen;
    for (VolumeView& volume : TRY(stack::list_volumes(paths))) {
        bool wanted = true;
        for (const std::string& filter : flags.filters)
            wanted = TRY(takes(volume, filter)) && wanted;
        if (wanted) chosen.push_back(std::move(volume));
    }
    to_stdout(TRY(listing(chosen, flags.quiet, flags.format)));
    return kOk;
}

void declare(CLI::App& command, VolumeInspectFlags& flags) {
    command.add_option("-f,--format", flags.format, "A template such as '{{.Mountpoint}}'");
    command.add_option("VOLUME", flags.names, "Volumes")->required();
}

Result<int> run(const Context& context, const VolumeInspectFlags& flags) {
    stack::Paths paths;
    paths.data_root = TRY(image_data_root(context));
    const std::vector<VolumeView> volumes = TRY(stack::list_volumes(paths));
    Json all = Json::array();
    int status = kOk;
    for (const std::string& name : flags.names) {
        const auto volume = std::find_if(volumes.begin(), volumes.end(), [&](const auto& known) {
            return known.record.name == name;
        });
        if (volume != volumes.end()) {
            all.push_back(whole(*volume));
            continue;
        }
        to_stderr(render(Error(ErrorKind::NotFound, fmt::format("no such volume: {}", name))
                             .help("'davit volume ls' lists those that are there"),
                         context.terminal.err_colour));
        status = kFailed;
    }
    TRY(show_inspected(flags.format, all));
    return status;
}

void declare(CLI::App& command, VolumeCreateFlags& flags) {
    command.add_option("-d,--driver", flags.driver, "Driver: local");
    command.add_option("--label", flags.labels, "NAME=VALUE; may be repeated")
        ->allow_extra_args(false);
    command.add_option("-o,--opt", flags.options, "type=, o= or device= of mount(8)")
        ->allow_extra_args(false);
    command.add_option("VOLUME", flags.name, "Name; a random one where it is left out");
}

Result<int> run(const Context& context, const VolumeCreateFlags& flags) {
    stack::Paths paths;
    paths.data_root = TRY(image_data_root(context));
    stack::NewVolume wanted;
    wanted.name = flags.name;
    wanted.driver = flags.driver;
    wanted.labels = TRY(pairs(flags.labels, "--label"));
    wanted.options = TRY(pairs(flags.options, "--opt"));
    if (context.globals.dry_run) {
        const auto known = TRY(stack::read_volumes(paths));
        if (known.contains(wanted.name)) return tell_intents({});
        return tell_intents(
            {{'+', "create", "volume", wanted.name.empty() ? "(a random name)" : wanted.name}});
    }
    to_stdout(TRY(stack::create_volume(paths, wanted)) + "\n");
    return kOk;
}

void declare(CLI::App& command, VolumeRemoveFlags& flags) {
    command.add_flag("-f,--force", flags.force, "One that is not there is no error");
    command.add_option("VOLUME", flags.names, "Volumes")->required();
}

Result<int> run(const Context& context, const VolumeRemoveFlags& flags) {
    stack::Paths paths;
    paths.data_root = TRY(image_data_root(context));
    int status = kOk;
    const auto remove = [&](const std::string& name) -> Result<void> {
        if (!context.globals.dry_run) return stack::remove_volume(paths, name);
        TRY(stack::removable_volume(paths, name));
        return {};
    };
    for (const std::string& name : flags.names) {
        const Result<void> removed = remove(name);
        const bool gone = !removed && removed.error().kind() == ErrorKind::NotFound && flags.force;
        if (removed || gone) {
            to_stdout(context.globals.dry_run && !gone
                          ? intents_text({{'-', "remove", "volume", name}})
                          : harmless(name) + "\n");
            continue;
        }
        to_stderr(render(removed.error(), context.terminal.err_colour));
        status = kFailed;
    }
    return status;
}

void declare(CLI::App& command, VolumePruneFlags& flags) {
    command.add_flag("-a,--all", flags.all, "Also named volumes that no container uses");
    command.add_flag("-f,--force", flags.force, "Don't ask");
}

Result<int> run(const Context& context, const VolumePruneFlags& flags) {
    stack::Paths paths;
    paths.data_root = TRY(image_data_root(context));
    const std::string question = fmt::format(
        "WARNING! This will remove {} volumes not used by at least one container.\n"
        "Are you sure you want to continue? [y/N] ",
        flags.all ? "all local" : "anonymous local");
    if (context.globals.dry_run) {
        std::vector<Intent> intents;
        for (const VolumeView& volume : TRY(stack::unused_volumes(paths, flags.all)))
            intents.push_back({'-', "remove", "volume", volume.record.name, "nothing uses it"});
        return tell_intents(intents);
    }
    if (!flags.force && !confirmed(question)) return kOk;
    const std::vector<std::string> removed = TRY(stack::prune_volumes(paths, flags.all));
    std::string text;
    for (const std::string& name : removed) text += harmless(name) + "\n";
    if (!text.empty()) text = "Deleted Volumes:\n" + text + "\n";
    to_stdout(text);
    return kOk;
}

}  // namespace davit::cli
