#include "base/file.h"
#include "base/strings.h"
#include "compose/dotenv.h"
#include "compose/model.h"
#include "compose/yaml_reader.h"

#include <cerrno>
#include <fmt/format.h>

// env_file and label_file. @source Compose spec 05-services.md; compose-go types/project.go
namespace davit::compose {
namespace {

constexpr std::size_t kLongestEnvFile = 16U << 20U;

/// The rules of `docker run --env-file`: no quotes, comments only at the start of a line, nothing
/// is replaced. What is wrong; empty where nothing is. @source docker/cli opts/file.go
std::string parse_raw(const std::string& text, const Lookup& outer, Variables& variables) {
    constexpr std::string_view kMark = "\xEF\xBB\xBF";
    for (const std::string& line : split(text, '\n')) {
        std::string_view rest = line;
        if (rest.starts_with(kMark)) rest.remove_prefix(kMark.size());
        while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t'))
            rest.remove_prefix(1);
        if (rest.ends_with('\r')) rest.remove_suffix(1);
        if (rest.empty() || rest.front() == '#') continue;
        const std::size_t equals = rest.find('=');
        const std::string name(rest.substr(0, equals));
        if (name.empty() || name.find_first_of(" \t") != std::string::npos)
            return fmt::format("the name '{}' has a blank in it, or nothing", printable(name));
        if (equals != std::string_view::npos)
            variables[name] = std::string(rest.substr(equals + 1));
        else if (const auto value = outer(name))
            variables[name] = *value;
    }
    return {};
}

class FileReader {
public:
    FileReader(const Variables& environment, Diagnostics& diagnostics)
        : environment_(environment), diagnostics_(diagnostics) {}

    void env_files(Node& service);
    void label_files(Node& service);

private:
    std::optional<std::string> text_of(const std::string& path, bool required, const Node& where,
                                       const char* what);
    void env_file(const Node& item, const Variables& own, Variables& variables);
    static void fold(Node& service, const char* key, const Variables& variables, const Node& like);

    const Variables& environment_;
    Diagnostics& diagnostics_;
};

std::optional<std::string> FileReader::text_of(const std::string& path, bool required,
                                               const Node& where, const char* what) {
    if (!required && !exists(path)) return std::nullopt;
    Result<std::string> text = read_regular_file(path, kLongestEnvFile);
    if (text) return *std::move(text);
    const bool missing = text.error().kind() == ErrorKind::NotFound;
    const bool folder = text.error().error_number() == EISDIR;
    diagnostics_.error(missing  ? fmt::format("there is no file '{}'", path)
                       : folder ? fmt::format("'{}' is a folder", path)
                                : fmt::format("read {}: {}", what, text.error().to_string()),
                       where.place(),
                       missing  ? fmt::format("make it, or take it out of '{}'", what)
                       : folder ? std::string("name a file")
                                : text.error().help());
    return std::nullopt;
}

void FileReader::env_file(const Node& item, const Variables& own, Variables& variables) {
    const Node* path = item.find("path");
    if (path == nullptr || !path->is_scalar() || path->text.empty()) return;
    const Node* required = item.find("required");
    const Node* format = item.find("format");
    const std::string kind = format != nullptr ? format->text : std::string();
    if (!kind.empty() && kind != "raw" && kind != "compose") {
        diagnostics_.error(fmt::format("there is no env_file format '{}'", printable(kind)),
                           format->place(), "use 'raw', or leave 'format' out");
        return;
    }
    const bool must = required == nullptr || required->text != "false";
    std::optional<std::string> text = text_of(path->text, must, *path, "env_file");
    if (!text) return;
    const Lookup outer = [&](const std::string& name) -> std::optional<std::string> {
        if (const auto found = environment_.find(name); found != environment_.end())
            return found->second;
        if (const auto found = own.find(name); found != own.end()) return found->second;
        return std::nullopt;
    };
    if (kind == "raw") {
        const std::string problem = parse_raw(*text, lookup_in(environment_), variables);
        if (!problem.empty())
            diagnostics_.error(fmt::format("'{}': {}", path->text, problem), path->place(),
                               "write NAME=value, without blanks around the '='");
        return;
    }
    parse_dotenv(make_source(path->text, *std::move(text)), outer, variables, diagnostics_);
}

/// Puts what files say beneath what the service says itself.
void FileReader::fold(Node& service, const char* key, const Variables& variables,
                      const Node& like) {
    Node* table = service.find(key);
    if (table != nullptr && !table->is_mapping()) {
        if (table->refused) return;
        table->become(mapping_node(*table));
    }
    if (table == nullptr) table = &service.put(key, mapping_node(like));
    for (const auto& [name, value] : variables)
        if (table->find(name) == nullptr) table->put(name, string_node(value, like));
}

void FileReader::env_files(Node& service) {
    const Node* list = service.find("env_file");
    if (list == nullptr) return;
    const Node files = *list;
    service.erase("env_file");
    Variables own;
    if (const Node* environment = service.find("environment"))
        for (const Node& variable : environment->items)
            if (variable.is_scalar()) own[variable.key] = variable.text;
    Variables variables;
    for (const Node& item : files.items) env_file(item, own, variables);
    if (!variables.empty()) fold(service, "environment", variables, files);
}

void FileReader::label_files(Node& service) {
    const Node* list = service.find("label_file");
    if (list == nullptr) return;
    const Node files = *list;
    service.erase("label_file");
    Variables labels;
    for (const Node& item : files.items) {
        if (!item.is_scalar()) continue;
        std::optional<std::string> text = text_of(item.text, true, item, "label_file");
        if (!text) continue;
        const Variables none;
        parse_dotenv(make_source(item.text, *std::move(text)), lookup_in(none), labels,
                     diagnostics_);
    }
    if (!labels.empty()) fold(service, "labels", labels, files);
}

}  // namespace

void resolve_env_files(Node& model, const ServiceEnvironments& own, const Variables& environment,
                       Diagnostics& diagnostics) {
    Node* services = model.find("services");
    if (services == nullptr) return;
    for (Node& service : services->items) {
        const auto special = own.find(service.key);
        FileReader reader(special != own.end() ? *special->second : environment, diagnostics);
        reader.env_files(service);
        reader.label_files(service);
    }
}

}  // namespace davit::compose
