#include "base/file.h"
#include "compose/decode.h"
#include "compose/decode_values.h"
#include "compose/dotenv.h"
#include "compose/yaml_reader.h"

#include <fmt/format.h>

namespace davit::compose {
namespace {

constexpr std::size_t kLongestFile = 16U << 20U;

struct EnvFile {
    std::string path = {};
    bool required = true;
};

void path(DecodeContext& context, const Field& field, EnvFile& file) {
    if (auto text = decode_string(context, field)) file.path = *std::move(text);
}

void required(DecodeContext& context, const Field& field, EnvFile& file) {
    file.required = decode_boolean(context, field).value_or(true);
}

constexpr Key<EnvFile> kEnvFileKeys[] = {
    {"path", path},
    {"required", required},
    {"format", nullptr},
};

void read_env_file(DecodeContext& context, const Field& field, Variables& variables) {
    EnvFile file;
    if (field.node.kind == NodeKind::Mapping)
        decode_mapping<EnvFile>(context, field, "'env_file'", kEnvFileKeys, file);
    else
        path(context, field, file);
    if (file.path.empty()) return;
    const SourcePos& where = field.node.place();
    const std::optional<std::string> absolute = resolve_host_path(context, file.path, where);
    if (!absolute || (!file.required && !exists(*absolute))) return;
    Result<std::string> text = read_file(*absolute, kLongestFile);
    if (!text) {
        const bool missing = text.error().kind() == ErrorKind::NotFound;
        context.error(missing ? fmt::format("there is no file '{}'", *absolute)
                              : fmt::format("read env_file: {}", text.error().to_string()),
                      where, missing ? "make it, or take it out of 'env_file'" : "");
        return;
    }
    parse_dotenv(make_source(file.path, *std::move(text)), lookup_in(context.environment),
                 variables, context.diagnostics);
}

}  // namespace

void decode_environment(DecodeContext& context, const Field& service_field, Service& service) {
    if (const Node* files = service_field.node.find("env_file")) {
        const Field field = service_field.entry(*files);
        if (files->kind == NodeKind::Sequence) {
            for (std::size_t i = 0; i < files->items.size(); ++i) {
                remember_place(context, field.item(i));
                read_env_file(context, field.item(i), service.environment);
            }
        } else if (files->kind == NodeKind::Mapping) {
            expect_list(context, field);
        } else {
            read_env_file(context, field, service.environment);
        }
    }
    const Node* own = service_field.node.find("environment");
    if (own == nullptr) return;
    for (KeyValue& variable : decode_key_values(context, service_field.entry(*own))) {
        if (!variable.value) variable.value = lookup_in(context.environment)(variable.name);
        if (variable.value)
            service.environment[variable.name] = *std::move(variable.value);
        else
            service.environment.erase(variable.name);
    }
}

}  // namespace davit::compose
