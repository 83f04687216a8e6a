#include "compose/loader.h"

#include "base/file.h"
#include "base/strings.h"
#include "compose/decode.h"
#include "compose/dotenv.h"
#include "compose/interpolate.h"
#include "compose/locate.h"
#include "compose/merge.h"
#include "compose/project_name.h"
#include "compose/validate.h"
#include "compose/yaml_reader.h"

#include <cerrno>
#include <fmt/format.h>
#include <set>
#include <tuple>
#include <utility>

// The pipeline, in order, and nothing else:
// locate → read → environment → name → interpolate → merge → decode → validate.
namespace davit::compose {
namespace {

constexpr std::size_t kLongestFile = 64U << 20U;

/// The documents of all files, lowest first; nothing where one of them can't be read.
std::optional<std::vector<Node>> read_documents(const std::vector<ComposeFile>& files,
                                                Diagnostics& diagnostics) {
    std::vector<Node> documents;
    bool readable = true;
    for (const ComposeFile& file : files) {
        Result<std::string> text =
            read_file(file.path == "-" ? "/proc/self/fd/0" : file.path, kLongestFile);
        if (!text) {
            const bool missing = text.error().kind() == ErrorKind::NotFound;
            diagnostics.error(
                missing ? fmt::format("there is no file '{}'", file.path)
                        : fmt::format("read '{}': {}", file.shown, text.error().to_string()),
                {}, missing ? "name the compose file with -f" : text.error().help());
            readable = false;
            continue;
        }
        const auto source = make_source(file.shown, *std::move(text));
        std::optional<std::vector<Node>> parts = read_yaml(source, diagnostics);
        if (!parts) {
            readable = false;
            continue;
        }
        if (parts->empty()) {
            diagnostics.error("the compose file is empty", {source, 1, 1, 1},
                              "add 'services:' with at least one service");
            readable = false;
        }
        for (Node& part : *parts) documents.push_back(std::move(part));
    }
    if (!readable) return std::nullopt;
    return documents;
}

/// --env-file, else COMPOSE_ENV_FILES, else nothing, which means .env where there is one.
std::vector<std::string> named_env_files(const LoadOptions& options) {
    if (!options.env_files.empty()) return options.env_files;
    const auto list = options.environment.find("COMPOSE_ENV_FILES");
    if (list == options.environment.end() || list->second.empty()) return {};
    return split(list->second, ',');
}

/// The environment of the process over that of the env files.
Variables project_environment(const LoadOptions& options, const std::string& project_directory,
                              Diagnostics& diagnostics) {
    const std::vector<std::string> named = named_env_files(options);
    std::vector<std::pair<std::string, std::string>> files;  // path, and what remarks call it
    for (const std::string& name : named)
        files.emplace_back(join_path(options.working_dir, name), name);
    const std::string dotenv = join_path(project_directory, ".env");
    if (named.empty() && exists(dotenv))
        files.emplace_back(dotenv, project_directory == options.working_dir ? ".env" : dotenv);

    Variables variables;
    for (const auto& [path, shown] : files) {
        Result<std::string> text = read_file(path, kLongestFile);
        if (text) {
            parse_dotenv(make_source(shown, *std::move(text)), lookup_in(options.environment),
                         variables, diagnostics);
        } else if (named.empty() && text.error().error_number() == EISDIR) {
            continue;  // a folder called .env, as Python's virtual environments have it
        } else {
            diagnostics.error(
                fmt::format("read env file '{}': {}", shown, text.error().to_string()), {},
                "name a file that is there with --env-file");
        }
    }
    for (const auto& [name, value] : options.environment) variables[name] = value;
    return variables;
}

/// An anchored value that is used twice has its mistakes twice, at one place.
Diagnostics without_repeats(const Diagnostics& diagnostics) {
    Diagnostics once;
    std::set<std::tuple<std::string, std::string>> said;
    for (const Diagnostic& diagnostic : diagnostics.list()) {
        if (said.emplace(to_string(diagnostic.where), diagnostic.message).second)
            once.add(diagnostic);
    }
    return once;
}

std::optional<LoadedProject> load(const LoadOptions& options, Diagnostics& diagnostics) {
    const std::optional<ComposeFiles> located = locate_files(options, diagnostics);
    if (!located) return std::nullopt;
    std::optional<std::vector<Node>> documents = read_documents(located->files, diagnostics);
    if (!documents) return std::nullopt;
    Variables environment = project_environment(options, located->project_directory, diagnostics);
    const std::optional<std::string> name =
        project_name(options, environment, *documents, located->project_directory, diagnostics);
    environment["COMPOSE_PROJECT_NAME"] = name.value_or("unnamed");

    const Lookup lookup = lookup_in(environment);
    TreeInterpolator interpolator(lookup, diagnostics);
    Node merged;
    for (Node& document : *documents) {
        if (document.kind != NodeKind::Mapping) {
            diagnostics.error(
                fmt::format("a compose file is a mapping, found {}", describe(document)),
                document.pos, "begin it with 'services:'");
            continue;
        }
        interpolator.run(document);
        merge_document(merged, std::move(document), diagnostics);
    }
    if (merged.kind != NodeKind::Mapping) return std::nullopt;

    LoadedProject loaded;
    loaded.project.name = name.value_or("unnamed");
    loaded.project.working_dir = located->project_directory;
    for (const ComposeFile& file : located->files) loaded.project.files.push_back(file.path);
    DecodeContext context{diagnostics, loaded.places, environment, located->project_directory};
    decode_project(context, merged, loaded.project);
    validate(loaded.project, loaded.places, diagnostics);
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
