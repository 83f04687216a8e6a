#include "base/file.h"
#include "base/strings.h"
#include "compose/bind.h"

#include <charconv>
#include <fmt/format.h>

// configs and secrets. @source Compose spec 08-configs.md, 09-secrets.md, 05-services.md
namespace davit::compose {
namespace {

std::optional<std::uint32_t> id_at(const Node& reference, const char* key,
                                   Diagnostics& diagnostics) {
    const std::string text = text_at(reference, key);
    if (text.empty()) return 0;
    const auto number = parse_integer(text);
    if (number && *number >= 0 && *number <= 65535) return static_cast<std::uint32_t>(*number);
    diagnostics.error(fmt::format("'{}' can't be the '{}' of a file", printable(text), key),
                      reference.find(key)->place(), "write a number from 0 to 65535");
    return std::nullopt;
}

std::uint32_t mode_of(const Node& reference) {
    const std::string text = text_at(reference, "mode");
    std::uint32_t mode = 0444;
    if (!text.empty()) std::from_chars(text.data(), text.data() + text.size(), mode, 8);
    return mode;
}

class Files {
public:
    Files(const std::map<std::string, std::string>& environment, Service& service,
          Diagnostics& diagnostics)
        : environment_(environment), service_(service), diagnostics_(diagnostics) {}

    void bind(const Node& model, const Node& node, const char* kind, const std::string& folder) {
        const Node* references = node.find(kind);
        const Node* objects = model.find(kind);
        if (references == nullptr || objects == nullptr) return;
        for (const Node& reference : references->items) {
            const std::string source = text_at(reference, "source");
            const Node* object = objects->find(source);
            if (object == nullptr || !object->is_mapping()) continue;  // said already
            std::string target = text_at(reference, "target");
            if (target.empty()) target = source;
            add(reference, *object, clean_path(join_path(folder, target)));
        }
    }

private:
    void add(const Node& reference, const Node& object, const std::string& target);
    void add_inline(const Node& reference, const std::string& target, std::string content);

    const std::map<std::string, std::string>& environment_;
    Service& service_;
    Diagnostics& diagnostics_;
};

void Files::add(const Node& reference, const Node& object, const std::string& target) {
    if (true_at(object, "external")) {
        diagnostics_.error(
            fmt::format("'{}' is external, and there is no store of such things here", object.key),
            object.key_pos, "name a file with 'file', or a variable with 'environment'");
        return;
    }
    if (const std::string file = text_at(object, "file"); !file.empty()) {
        for (const char* key : {"uid", "gid", "mode"}) {
            const Node* ignored = reference.find(key);
            if (ignored != nullptr && !ignored->is_null())
                diagnostics_.warning(
                    fmt::format("'{}' is ignored: the file of the host keeps its own", key),
                    ignored->place(), "change it on the host");
        }
        Mount mount;
        mount.source = clean_path(file);
        mount.target = target;
        mount.read_only = true;
        mount.create_host_path = false;
        service_.volumes.push_back(std::move(mount));
        return;
    }
    if (const Node* content = object.find("content"); content != nullptr && content->is_scalar())
        return add_inline(reference, target, content->text);
    const Node* name = object.find("environment");
    if (name == nullptr || !name->is_scalar()) return;
    const auto value = environment_.find(name->text);
    if (value == environment_.end())
        diagnostics_.error(
            fmt::format("the variable '{}' of '{}' is not set", name->text, object.key),
            name->place(), "set it in the environment or in .env");
    else
        add_inline(reference, target, value->second);
}

void Files::add_inline(const Node& reference, const std::string& target, std::string content) {
    const auto uid = id_at(reference, "uid", diagnostics_);
    const auto gid = id_at(reference, "gid", diagnostics_);
    if (uid && gid)
        service_.inline_files.push_back(
            {target, std::move(content), *uid, *gid, mode_of(reference)});
}

}  // namespace

void bind_files(const Node& model, const Node& node,
                const std::map<std::string, std::string>& environment, Service& service,
                Diagnostics& diagnostics) {
    Files files(environment, service, diagnostics);
    files.bind(model, node, "configs", "/");
    files.bind(model, node, "secrets", "/run/secrets");
}

}  // namespace davit::compose
