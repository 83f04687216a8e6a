#include "compose/loader.h"

#include "base/file.h"
#include "base/strings.h"
#include "compose/bind.h"
#include "compose/canonical.h"
#include "compose/interpolate.h"
#include "compose/locate.h"
#include "compose/model.h"
#include "compose/node_access.h"
#include "compose/project_environment.h"
#include "compose/project_name.h"
#include "compose/validate.h"
#include "compose/yaml_reader.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <set>
#include <tuple>
#include <utility>

// The pipeline, in order, and nothing else: locate → read → environment → name → for each document
// (interpolate → canonical form → include → extends → merge) → completeness → defaults → selection
// → env files → consistency → plain values.
namespace davit::compose {
namespace {

/// --profile, else COMPOSE_PROFILES.
std::vector<std::string> active_profiles(const LoadOptions& options, const Variables& environment) {
    if (!options.profiles.empty()) return options.profiles;
    std::vector<std::string> profiles;
    const auto list = environment.find("COMPOSE_PROFILES");
    if (list == environment.end()) return profiles;
    for (const std::string& profile : split(list->second, ','))
        if (!trim(profile).empty()) profiles.emplace_back(trim(profile));
    return profiles;
}

void note_variables(const Node& node, VariableUses& uses) {
    if (node.is_scalar()) collect_variables(node.text, uses);
    for (const Node& item : node.items) note_variables(item, uses);
}

/// All variables in the files, without their values.
VariableUses variables_in(const std::vector<std::vector<Node>>& files) {
    VariableUses uses;
    for (const std::vector<Node>& file : files)
        for (const Node& document : file) note_variables(document, uses);
    return uses;
}

/// Notes where every value stands, for errors that come up later.
void collect_places(const Node& node, const std::string& path, std::size_t depth,
                    SourceMap& places) {
    constexpr std::size_t kDeepest = 5;  // services.web.deploy.resources.limits
    constexpr std::size_t kLongest = 1024;
    if (depth >= kDeepest || path.size() > kLongest || path.starts_with("x-")) return;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        const Node& item = node.items[i];
        std::string inner = node.is_list() ? fmt::format("{}[{}]", path, i)
                            : path.empty() ? item.key
                                           : fmt::format("{}.{}", path, item.key);
        places.set(inner, place_of_item(item));
        collect_places(item, inner, depth + 1, places);
    }
}

void note_names(const Node& model, LoadedProject& loaded) {
    const Node* services = model.find("services");
    if (services == nullptr) return;
    std::set<std::string> profiles;
    for (const Node& service : services->items) {
        loaded.service_names.push_back(service.key);
        if (const Node* list = service.find("profiles"))
            for (const Node& item : list->items) profiles.insert(item.text);
    }
    loaded.profiles.assign(profiles.begin(), profiles.end());
}

/// Whether the top of the model is what the later stages can work with.
bool usable(const Node& model) {
    if (!model.is_mapping()) return false;
    for (const char* table : {"services", "networks", "volumes", "configs", "secrets"}) {
        const Node* node = model.find(table);
        if (node != nullptr && !node->is_mapping() && !node->is_null()) return false;
    }
    return true;
}

/// The model as plain values, and what can't be carried out on this host.
void bind(const LoadOptions& options, LoadedProject& loaded, Diagnostics& diagnostics) {
    if (options.purpose == LoadOptions::Purpose::Run) {
        bind_project(loaded.model, loaded.environment, loaded.project, diagnostics);
        validate(loaded.project, loaded.places, diagnostics);
        return;
    }
    if (!options.normalize || !options.interpolate || !options.check) return;
    Diagnostics later;
    bind_project(loaded.model, loaded.environment, loaded.project, later);
    validate(loaded.project, loaded.places, later);
    for (Diagnostic remark : later.list()) {
        // What is not there yet will be said by the command that needs it.
        if (remark.message.find("not supported yet") != std::string::npos) continue;
        remark.severity = Severity::Warning;
        diagnostics.add(std::move(remark));
    }
}

/// An anchored value that is used twice has its mistakes twice, at one place.
Diagnostics without_repeats(const Diagnostics& diagnostics) {
    Diagnostics once;
    std::set<std::tuple<std::string, std::string>> said;
    constexpr std::size_t kMost = 200;
    std::size_t more = 0;
    bool dropped_error = false;
    for (const Diagnostic& diagnostic : diagnostics.list()) {
        if (once.list().size() >= kMost) {
            ++more;
            dropped_error = dropped_error || diagnostic.severity == Severity::Error;
            continue;
        }
        if (said.emplace(to_string(diagnostic.where), diagnostic.message).second)
            once.add(diagnostic);
    }
    if (more > 0)
        once.add({dropped_error ? Severity::Error : Severity::Warning,
                  fmt::format("there are {} more remarks", more),
                  {},
                  "mend these first",
                  {}});
    return once;
}

std::optional<LoadedProject> load(const LoadOptions& options, Diagnostics& diagnostics) {
    const std::optional<ComposeFiles> located = locate_files(options, diagnostics);
    if (!located) return std::nullopt;
    auto documents = read_documents(located->files, diagnostics);
    if (!documents) return std::nullopt;
    Variables environment = project_environment(options, located->project_directory, diagnostics);
    const std::optional<std::string> name =
        project_name(options, environment, *documents, located->project_directory, diagnostics);
    environment["COMPOSE_PROJECT_NAME"] = name.value_or("unnamed");

    LoadedProject loaded;
    loaded.project.name = name.value_or("unnamed");
    loaded.project.working_dir = located->project_directory;
    for (const ComposeFile& file : located->files) loaded.project.files.push_back(file.path);
    loaded.environment = environment;
    if (options.purpose == LoadOptions::Purpose::Show) loaded.variables = variables_in(*documents);

    ModelLoader loader(options, diagnostics);
    Node& model = loaded.model;
    const SourceSet set = {located->files, located->project_directory,
                           std::make_shared<const Variables>(environment)};
    model = loader.merge(set, *std::move(documents));
    if (!usable(model)) return std::nullopt;
    if (options.overlay) loader.lay_over(model, *options.overlay, set);
    check_complete(model, diagnostics);
    warn_of_ignored(model, diagnostics);
    note_names(model, loaded);
    set_defaults(model, options.resolve_paths ? located->project_directory : ".");
    if (options.normalize) normalize_model(model, loaded.project.name, environment);
    std::vector<std::string> profiles = active_profiles(options, environment);
    for (const std::string& wanted : options.activate) {
        const Node* service =
            model.find("services") != nullptr ? model.find("services")->find(wanted) : nullptr;
        const Node* own = service != nullptr ? service->find("profiles") : nullptr;
        if (own == nullptr) continue;
        for (const Node& profile : own->items) profiles.push_back(profile.text);
    }
    const std::map<std::string, Node> disabled =
        select_services(model, {std::move(profiles), options.services}, diagnostics);
    for (const auto& [key, service] : disabled) loaded.project.inactive.push_back(key);
    if (options.purpose == LoadOptions::Purpose::Run) refuse_unsupported(model, diagnostics);
    if (options.interpolate && options.resolve_env)
        resolve_env_files(model, loader.environments(), environment, diagnostics);
    if (options.check) check_consistency(model, disabled, diagnostics);
    if (options.purpose == LoadOptions::Purpose::Run) drop_absent_dependencies(model);
    if (!options.all_resources && options.normalize) drop_unused(model);
    if (Node* written = model.find("name"); written != nullptr && written->is_scalar())
        written->text = loaded.project.name;
    else
        model.put("name", string_node(loaded.project.name, Node{}));
    collect_places(model, {}, 0, loaded.places);
    bind(options, loaded, diagnostics);
    return loaded;
}

}  // namespace

std::optional<LoadedProject> load_project(const LoadOptions& options, Diagnostics& diagnostics) {
    std::optional<LoadedProject> loaded = load(options, diagnostics);
    diagnostics = without_repeats(diagnostics);
    diagnostics.sort_by_place();
    if (!diagnostics.ok()) return std::nullopt;
    return loaded;
}

}  // namespace davit::compose
