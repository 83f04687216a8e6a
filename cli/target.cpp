#include "cli/target.h"

#include "base/log.h"
#include "base/strings.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/render.h"

#include <algorithm>
#include <set>

namespace davit::cli {
namespace {

/// What is known of the file before anything is asked of the records.
struct FileFound {
    std::string folder = {};  ///< Of the project, as far as the command line and the file tell.
    std::optional<compose::LoadedProject> loaded = {};
    int exit_code = kOk;  ///< Not kOk: it can't be had, and why was said.
};

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

FileFound cannot(int exit_code, const Error& error, const Context& context) {
    to_stderr(render(error, context.terminal.err_colour));
    FileFound found;
    found.exit_code = exit_code;
    return found;
}

FileFound find_file(const Context& context, FileNeed need, const std::vector<std::string>& services,
                    std::optional<compose::Overlay> overlay) {
    compose::LoadOptions options = load_options(context);
    options.activate = services;
    options.overlay = std::move(overlay);
    for (const std::string& file : options.files) {
        if (file == "-" || exists(join_path(options.working_dir, file))) continue;
        return cannot(kNoFile,
                      Error(ErrorKind::NotFound, fmt::format("no compose file '{}'", file)),
                      context);
    }
    FileFound found;
    found.folder =
        options.project_directory.empty() ? options.working_dir : options.project_directory;
    std::string path = options.files.empty() ? "" : options.files.front();
    if (path.empty()) {
        const std::optional<std::string> nearby = compose::find_compose_file(options);
        if (!nearby && need == FileNeed::Required)
            return cannot(kNoFile,
                          Error(ErrorKind::NotFound, "no compose file in this folder or above it")
                              .help("make a compose.yaml, or name a file with -f"),
                          context);
        if (!nearby) return found;
        path = *nearby;
        if (options.project_directory.empty())
            found.folder = folder_of(clean_path(join_path(options.working_dir, path)));
    } else if (path != "-" && options.project_directory.empty()) {
        found.folder = folder_of(clean_path(join_path(options.working_dir, path)));
    }
    Diagnostics diagnostics;
    found.loaded = compose::load_project(options, diagnostics);
    const bool required = need == FileNeed::Required;
    // Remarks are for those who act on the file: `ps` need not repeat what `up` has said.
    if (required || !found.loaded)
        to_stderr(render(diagnostics, required ? Severity::Error : Severity::Warning,
                         context.terminal.err_colour));
    if (!found.loaded && required)
        found.exit_code =
            path != "-" && !exists(join_path(options.working_dir, path)) ? kNoFile : kBadFile;
    return found;
}

/// Projects of `paths` one of whose containers was made from `folder`, or that bear its name and
/// say nothing of a folder, as after a crash before the first record.
Result<std::vector<std::string>> projects_from(const stack::Paths& paths,
                                               const std::string& folder) {
    const std::string name = compose::normalize_project_name(folder.substr(folder.rfind('/') + 1));
    std::vector<std::string> names;
    for (const std::string& project : TRY(stack::list_projects(paths))) {
        const auto records = TRY(stack::read_containers(paths, project));
        const auto made_from = [&](const std::string& working_dir) {
            return [&](const auto& record) { return record.second.working_dir == working_dir; };
        };
        const bool here = std::any_of(records.begin(), records.end(), made_from(folder));
        const bool nameless = std::all_of(records.begin(), records.end(), made_from(""));
        if (here || (nameless && project == name)) names.push_back(project);
    }
    return names;
}

/// Names the project of `folder` where no file can: by what the records of its data root, or of the
/// data roots of running projects, say about the folder. Leaves both alone where nothing is known.
Result<void> name_by_records(const std::string& folder, DataRootSources& sources,
                             const Context& context, Target& target) {
    stack::Paths paths = target.environment.paths;
    std::set<std::string> roots = {choose_data_root(sources, context.working_dir)};
    const bool root_is_given = !sources.flag.empty() || !sources.variable.empty();
    if (!root_is_given)
        for (const std::string& project : TRY(list_directory(paths.run_root)))
            roots.insert(stack::data_root_of_running(paths, project));
    std::set<std::pair<std::string, std::string>> found;
    for (const std::string& root : roots) {
        if (root.empty()) continue;
        paths.data_root = root;
        for (std::string& project : TRY(projects_from(paths, folder)))
            found.emplace(std::move(project), root);
    }
    if (found.size() > 1)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("more than one project was made from '{}': '{}', '{}'", folder,
                                 found.begin()->first, std::next(found.begin())->first))
            .help("name the one that is meant with -p");
    if (found.empty()) return {};
    target.project = found.begin()->first;
    if (!root_is_given) sources.running = found.begin()->second;
    return {};
}

}  // namespace

compose::LoadOptions load_options(const Context& context) {
    compose::LoadOptions options;
    options.files = context.globals.files;
    options.working_dir = context.working_dir;
    if (!context.globals.project_directory.empty())
        options.project_directory =
            clean_path(join_path(context.working_dir, context.globals.project_directory));
    options.project_name = context.globals.project_name;
    options.env_files = context.globals.env_files;
    options.profiles = context.globals.profiles;
    options.environment = context.environment;
    return options;
}

Result<TargetOrExit> find_target(const Context& context, FileNeed need,
                                 const std::vector<std::string>& services,
                                 std::optional<compose::Overlay> overlay) {
    Target target;
    target.environment.paths.run_root = run_root(context);
    FileFound file = find_file(context, need, services, std::move(overlay));
    if (file.exit_code != kOk) return TargetOrExit{std::nullopt, file.exit_code};

    DataRootSources sources;
    sources.flag = context.globals.data_root;
    sources.variable = context.variable("DAVIT_DATA_ROOT");
    const HostConfig config = TRY(read_host_config());
    sources.host_config = config.data_root;
    target.environment.address_pools = config.address_pools;
    target.environment.program = own_program();
    target.project = context.globals.project_name;
    if (target.project.empty()) target.project = context.variable("COMPOSE_PROJECT_NAME");
    if (file.loaded) {
        target.project = file.loaded->project.name;
        sources.file = file.loaded->project.data_root;
    } else if (target.project.empty()) {
        TRY(name_by_records(file.folder, sources, context, target));
    }
    // The name becomes part of paths, so nothing like "../x" may get through.
    if (compose::normalize_project_name(target.project) != target.project)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' is not a project name", printable(target.project)))
            .help("use lower-case letters, digits, '-' and '_', and begin with a letter or digit");
    // What is up is looked for where it is, also where the file has come to name another place.
    if (need == FileNeed::Optional && sources.running.empty() && !target.project.empty())
        sources.running = stack::data_root_of_running(target.environment.paths, target.project);
    target.loaded = std::move(file.loaded);
    target.environment.paths.data_root = choose_data_root(sources, context.working_dir);
    return TargetOrExit{std::move(target), kOk};
}

Result<std::string> image_data_root(const Context& context) {
    DataRootSources sources;
    sources.flag = context.globals.data_root;
    sources.variable = context.variable("DAVIT_DATA_ROOT");
    const compose::LoadOptions options = load_options(context);
    if (sources.flag.empty() && sources.variable.empty() &&
        (!options.files.empty() || compose::find_compose_file(options))) {
        Diagnostics diagnostics;
        const auto loaded = compose::load_project(options, diagnostics);
        if (loaded)
            sources.file = loaded->project.data_root;
        else
            log::debug("cli", "compose file has mistakes, its data root is not asked for");
    }
    const HostConfig config = TRY(read_host_config());
    sources.host_config = config.data_root;
    return choose_data_root(sources, context.working_dir);
}

Result<void> check_services(const Target& target, const std::vector<std::string>& services,
                            const std::vector<stack::ContainerView>& views) {
    std::set<std::string> known;
    if (target.loaded)
        for (const auto& [name, service] : target.loaded->project.services) known.insert(name);
    for (const stack::ContainerView& view : views) known.insert(view.record.service);
    for (const std::string& service : services) {
        if (known.count(service) > 0) continue;
        const auto near = nearest(service, {known.begin(), known.end()});
        return Error(ErrorKind::NotFound, fmt::format("no such service: {}", printable(service)))
            .help(near ? fmt::format("the nearest name is '{}'", *near) : "");
    }
    return {};
}

}  // namespace davit::cli
