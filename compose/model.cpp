#include "compose/model.h"

#include "base/file.h"
#include "base/strings.h"
#include "compose/canonical.h"
#include "compose/dotenv.h"
#include "compose/merge.h"
#include "compose/yaml_reader.h"

#include <algorithm>
#include <fmt/format.h>
#include <sys/stat.h>

namespace davit::compose {
namespace {

constexpr std::size_t kDeepestInclude = 50;
constexpr std::size_t kMostIncludes = 500;

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

bool is_folder(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::vector<std::string> texts_of(const Node* list) {
    std::vector<std::string> texts;
    if (list == nullptr) return texts;
    for (const Node& item : list->items)
        if (item.is_scalar()) texts.push_back(item.text);
    return texts;
}

}  // namespace

Result<std::string> read_regular_file(const std::string& path, std::size_t limit) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not a regular file", path))
            .help("name a file, not a pipe or a device");
    return read_file(path, limit);
}

bool same_value(const Node& one, const Node& other) {
    if (one.kind != other.kind) return false;
    if (one.is_scalar()) return one.text == other.text && one.is_string == other.is_string;
    if (one.items.size() != other.items.size()) return false;
    for (std::size_t i = 0; i < one.items.size(); ++i) {
        const Node* twin = one.is_mapping() ? other.find(one.items[i].key) : &other.items[i];
        if (twin == nullptr || !same_value(one.items[i], *twin)) return false;
    }
    return true;
}

std::optional<std::vector<std::vector<Node>>> read_documents(const std::vector<ComposeFile>& files,
                                                             Diagnostics& diagnostics) {
    std::vector<std::vector<Node>> all;
    bool readable = true;
    for (const ComposeFile& file : files) {
        Result<std::string> text =
            file.regular
                ? read_regular_file(file.path, kLongestFile)
                : read_file(file.path == "-" ? "/proc/self/fd/0" : file.path, kLongestFile);
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
        all.push_back(*std::move(parts));
    }
    if (!readable) return std::nullopt;
    return all;
}

void ModelLoader::interpolate(Node& document, const Variables& environment) {
    if (!options_.interpolate) return;
    const Lookup lookup = lookup_in(environment);
    TreeInterpolator(lookup, diagnostics_).run(document);
}

void ModelLoader::make_service_canonical(Node& service, const std::string& directory,
                                         const Variables& environment) {
    Canonicalizer canonicalizer(
        {diagnostics_, environment, directory, options_.resolve_paths, options_.interpolate});
    const NodePath root{};
    const NodePath services = root.entry("services");
    canonicalizer.walk(service, kServiceShape, services.entry(service.key));
}

void ModelLoader::make_canonical(Node& document, const std::string& directory,
                                 const Variables& environment) {
    interpolate(document, environment);
    Canonicalizer canonicalizer(
        {diagnostics_, environment, directory, options_.resolve_paths, options_.interpolate});
    canonicalizer.walk(document, kProjectShape, NodePath{});
}

Node ModelLoader::merge(const SourceSet& set, std::vector<std::vector<Node>> documents) {
    Node merged;
    for (std::vector<Node>& file : documents) {
        for (Node& document : file) {
            if (!document.is_mapping()) {
                diagnostics_.error(
                    fmt::format("a compose file is a mapping, found {}", describe(document)),
                    document.pos, "begin it with 'services:'");
                continue;
            }
            if (const Node* services = document.find("services");
                services != nullptr && services->is_null() && services->tag.empty()) {
                diagnostics_.error("'services' must be a mapping, found nothing", services->place(),
                                   "put at least one service under it, or take it out");
                continue;
            }
            make_canonical(document, set.directory, *set.environment);
            include(document, set);
            apply_extends(*this, document, set.directory, *set.environment, diagnostics_);
            merge_document(merged, std::move(document), diagnostics_);
        }
    }
    return merged;
}

void ModelLoader::lay_over(Node& model, const Overlay& overlay, const SourceSet& set) {
    const Node* services = model.find("services");
    if (services == nullptr || services->find(overlay.service) == nullptr) return;
    const auto source = make_source("the command line", overlay.text);
    std::optional<std::vector<Node>> documents = read_yaml(source, diagnostics_);
    if (!documents) return;
    for (Node& document : *documents) {
        make_canonical(document, set.directory, *set.environment);
        merge_document(model, std::move(document), diagnostics_);
    }
}

void ModelLoader::include(Node& document, const SourceSet& set) {
    const Node* list = document.find("include");
    if (list == nullptr) return;
    const Node includes = *list;
    document.erase("include");
    for (const Node& item : includes.items) include_one(document, item, set);
}

std::shared_ptr<const Variables> ModelLoader::included_environment(const Node& item,
                                                                   const SourceSet& set,
                                                                   const std::string& directory) {
    std::vector<std::string> files;
    const Node* named = item.find("env_file");
    if (named != nullptr && !named->items.empty()) {
        for (const std::string& file : texts_of(named))
            if (file != "/dev/null") files.push_back(join_path(set.directory, file));
    } else if (const std::string file = join_path(directory, ".env");
               exists(file) && !is_folder(file)) {
        files.push_back(file);
    }
    Variables variables;
    for (const std::string& file : files) {
        Result<std::string> text = read_regular_file(file, kLongestFile);
        if (!text) {
            diagnostics_.error(is_folder(file) ? fmt::format("'{}' is a folder", file)
                               : exists(file)  ? fmt::format("read env file '{}': {}", file,
                                                             text.error().to_string())
                                               : fmt::format("there is no file '{}'", file),
                               named != nullptr ? named->place() : item.place(),
                               "name a file that is there in 'env_file'");
            continue;
        }
        parse_dotenv(make_source(file, *std::move(text)), lookup_in(*set.environment), variables,
                     diagnostics_);
    }
    for (const auto& [name, value] : *set.environment) variables[name] = value;
    return std::make_shared<const Variables>(std::move(variables));
}

std::optional<SourceSet> ModelLoader::included_set(const Node& item, const SourceSet& set) {
    SourceSet included;
    const std::vector<std::string> paths = texts_of(item.find("path"));
    if (paths.empty()) {
        if (item.find("path") == nullptr || !item.find("path")->refused)
            diagnostics_.error("an 'include' names no file", item.place(), "add 'path: FILE'");
        return std::nullopt;
    }
    for (const std::string& path : paths) {
        const std::string absolute = clean_path(join_path(set.directory, path));
        if (!exists(absolute) || is_folder(absolute)) {
            diagnostics_.error(is_folder(absolute) ? fmt::format("'{}' is a folder", absolute)
                                                   : fmt::format("there is no file '{}'", absolute),
                               item.find("path")->place(), "name a compose file in 'include'");
            return std::nullopt;
        }
        included.files.push_back({absolute, absolute, true});
    }
    const Node* directory = item.find("project_directory");
    included.directory = directory != nullptr && directory->is_scalar() && !directory->text.empty()
                             ? clean_path(join_path(set.directory, directory->text))
                             : folder_of(included.files.front().path);
    included.environment = included_environment(item, set, included.directory);
    return included;
}

void ModelLoader::include_one(Node& document, const Node& item, const SourceSet& set) {
    if (!item.is_mapping()) return;
    const std::optional<SourceSet> included = included_set(item, set);
    if (!included) return;
    const std::string& path = included->files.front().path;
    if (included_.empty())
        for (const ComposeFile& file : set.files) included_.push_back(file.path);
    const auto open = std::find(included_.begin(), included_.end(), path);
    if (++includes_ > kMostIncludes) {
        if (includes_ == kMostIncludes + 1)
            diagnostics_.error(fmt::format("more than {} files are included", kMostIncludes),
                               item.place(), "include fewer files");
        return;
    }
    if (open != included_.end() || included_.size() > kDeepestInclude) {
        std::string circle;
        for (auto at = open; at != included_.end(); ++at) circle += *at + " -> ";
        diagnostics_.error(
            open != included_.end()
                ? fmt::format("files include each other in a circle: {}{}", circle, path)
                : std::string("files include each other too deeply"),
            item.place(), "take one of these includes out");
        return;
    }
    std::optional<std::vector<std::vector<Node>>> documents =
        read_documents(included->files, diagnostics_);
    if (!documents) return;
    included_.push_back(path);
    Node model = merge(*included, *std::move(documents));
    set_defaults(model, options_.resolve_paths ? included->directory : ".");
    included_.pop_back();
    if (const Node* services = model.find("services")) {
        for (const Node& service : services->items)
            environments_.emplace(service.key, included->environment);
    }
    import(document, std::move(model), item);
}

void ModelLoader::import(Node& document, Node included, const Node& item) {
    for (const char* kind : {"services", "volumes", "networks", "secrets", "configs", "models"}) {
        Node* from = included.find(kind);
        if (from == nullptr || !from->is_mapping()) continue;
        Node* into = document.find(kind);
        if (into == nullptr) into = &document.put(kind, mapping_node(item));
        if (!into->is_mapping()) continue;
        for (Node& resource : from->items) {
            const Node* mine = into->find(resource.key);
            if (mine == nullptr) {
                into->items.push_back(std::move(resource));
            } else if (!same_value(*mine, resource)) {
                diagnostics_.add({Severity::Error,
                                  fmt::format("'{}.{}' is in an included file too, and differs",
                                              kind, resource.key),
                                  mine->place(),
                                  "give it another name, or change it with a second file in the "
                                  "'path' of 'include'",
                                  {{"the included one", resource.place()}}});
            }
        }
    }
}

}  // namespace davit::compose
