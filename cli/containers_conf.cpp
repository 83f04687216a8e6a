#include "cli/containers_conf.h"

#include "base/file.h"
#include "base/source.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <memory>
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace davit::cli {
namespace {

using image::MirrorRule;
using image::RegistryRule;
using Source = std::shared_ptr<const SourceFile>;

Error mistake(const Source& source, const toml::source_region& where, std::string message) {
    SourcePos place;
    place.file = source;
    place.line = where.begin.line;
    place.column = where.begin.column;
    return Error(ErrorKind::InvalidInput, std::move(message)).at(place);
}

/// A table of the file, whose values are asked for by kind.
class Table {
public:
    Table(Source source, const toml::table& table) : source_(std::move(source)), table_(table) {}

    Result<std::string> text(const char* key) const {
        const toml::node* const node = table_.get(key);
        if (node == nullptr) return std::string();
        if (const auto* const value = node->as_string()) return value->get();
        return mistake(source_, node->source(), fmt::format("'{}' must be a text", key));
    }
    Result<bool> flag(const char* key) const {
        const toml::node* const node = table_.get(key);
        if (node == nullptr) return false;
        if (const auto* const value = node->as_boolean()) return value->get();
        return mistake(source_, node->source(), fmt::format("'{}' must be true or false", key));
    }
    /// An array of tables.
    Result<std::vector<Table>> tables(const char* key) const {
        std::vector<Table> found;
        const toml::node* const node = table_.get(key);
        if (node == nullptr) return found;
        const toml::array* const list = node->as_array();
        if (list == nullptr)
            return mistake(source_, node->source(), fmt::format("write [[{0}]], not [{0}]", key));
        for (const toml::node& item : *list) {
            const toml::table* const one = item.as_table();
            if (one == nullptr)
                return mistake(source_, item.source(), fmt::format("'{}' must be a table", key));
            found.emplace_back(source_, *one);
        }
        return found;
    }
    Error error(std::string message) const {
        return mistake(source_, table_.source(), std::move(message));
    }

private:
    Source source_;
    const toml::table& table_;
};

Result<MirrorRule> read_mirror(const Table& table, bool digests_only) {
    MirrorRule mirror;
    mirror.location = TRY(table.text("location"));
    if (mirror.location.empty()) return table.error("a mirror has no 'location'");
    mirror.insecure = TRY(table.flag("insecure"));
    const std::string what = TRY(table.text("pull-from-mirror"));
    if (!what.empty() && what != "all" && what != "digest-only" && what != "tag-only")
        return table.error(fmt::format("'pull-from-mirror' is '{}'", what))
            .help("write all, digest-only or tag-only");
    mirror.tags = what != "digest-only" && !digests_only;
    mirror.digests = what != "tag-only";
    return mirror;
}

Result<RegistryRule> read_rule(const Table& table, const std::string& file) {
    RegistryRule rule;
    rule.source = file;
    rule.location = TRY(table.text("location"));
    rule.prefix = TRY(table.text("prefix"));
    if (rule.prefix.empty()) rule.prefix = rule.location;
    if (rule.prefix.empty()) return table.error("a registry has neither 'prefix' nor 'location'");
    rule.insecure = TRY(table.flag("insecure"));
    rule.blocked = TRY(table.flag("blocked"));
    const bool digests_only = TRY(table.flag("mirror-by-digest-only"));
    const std::vector<Table> mirrors = TRY(table.tables("mirror"));
    for (const Table& one : mirrors) {
        MirrorRule mirror = TRY(read_mirror(one, digests_only));
        rule.mirrors.push_back(std::move(mirror));
    }
    return rule;
}

}  // namespace

Result<std::vector<RegistryRule>> read_containers_conf(const std::string& path) {
    std::vector<RegistryRule> rules;
    Result<std::string> text = read_file(path);
    if (!text && text.error().kind() == ErrorKind::NotFound) return rules;
    if (!text) return std::move(text).error();
    const auto source = std::make_shared<const SourceFile>(SourceFile{path, *std::move(text)});
    const toml::parse_result parsed = toml::parse(std::string_view(source->text));
    if (!parsed)
        return mistake(source, parsed.error().source(), std::string(parsed.error().description()));
    const Table root(source, parsed.table());
    // That of version 1 has lists of registries that are blocked, which must not be overlooked.
    if (const toml::node* const old = parsed.table().get("registries"))
        return mistake(source, old->source(), "the file is of version 1")
            .help("write [[registry]] tables: man containers-registries.conf");
    const std::vector<Table> tables = TRY(root.tables("registry"));
    for (const Table& table : tables) {
        RegistryRule rule = TRY(read_rule(table, path));
        rules.push_back(std::move(rule));
    }
    return rules;
}

Result<std::vector<RegistryRule>> containers_rules(const Context& context) {
    const std::string other = context.variable("CONTAINERS_REGISTRIES_CONF");
    std::vector<std::string> files = {other.empty() ? kContainersConf : other};
    if (other.empty()) {
        const std::string folder = std::string(kContainersConf) + ".d";
        if (Result<std::vector<std::string>> names = list_directory(folder); names) {
            std::sort(names->begin(), names->end());
            for (const std::string& name : *names)
                if (name.ends_with(".conf")) files.push_back(folder + "/" + name);
        }
    }
    std::map<std::string, RegistryRule> by_prefix;
    for (const std::string& file : files) {
        const std::vector<RegistryRule> rules = TRY(read_containers_conf(file));
        for (const RegistryRule& rule : rules) by_prefix[rule.prefix] = rule;
    }
    std::vector<RegistryRule> rules;
    for (auto& [prefix, rule] : by_prefix) rules.push_back(std::move(rule));
    return rules;
}

}  // namespace davit::cli
