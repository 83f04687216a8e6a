#include "base/file.h"
#include "base/strings.h"
#include "compose/bind.h"

#include <charconv>
#include <fmt/format.h>
#include <sys/stat.h>

// configs and secrets. @source Compose spec 08-configs.md, 09-secrets.md, 05-services.md
namespace davit::compose {
namespace {

/// False where it can't be one, and that has been said.
bool read_id(const Node& reference, const char* key, std::optional<std::uint32_t>& id,
             Diagnostics& diagnostics) {
    const std::string text = text_at(reference, key);
    if (text.empty()) return true;
    const auto number = parse_integer(text);
    if (number && *number >= 0 && *number <= 65535) {
        id = static_cast<std::uint32_t>(*number);
        return true;
    }
    diagnostics.error(fmt::format("'{}' can't be the '{}' of a file", printable(text), key),
                      reference.find(key)->place(), "write a number from 0 to 65535");
    return false;
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
    void add_file(const Node& reference, const std::string& target, const std::string& source);
    void add_copy(const Node& reference, InlineFile file);

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
        return add_file(reference, target, clean_path(file));
    }
    if (const Node* content = object.find("content"); content != nullptr && content->is_scalar())
        return add_copy(reference, {.target = target, .content = content->text});
    const Node* name = object.find("environment");
    if (name == nullptr || !name->is_scalar()) return;
    const auto value = environment_.find(name->text);
    if (value == environment_.end())
        diagnostics_.error(
            fmt::format("the variable '{}' of '{}' is not set", name->text, object.key),
            name->place(), "set it in the environment or in .env");
    else
        add_copy(reference, {.target = target, .content = value->second});
}

/// A folder stays where it is. A file is copied, so that it has the owner and mode that the
/// container needs whatever it has on the host; that it can't be read matters to `up` alone.
void Files::add_file(const Node& reference, const std::string& target, const std::string& source) {
    struct stat info {};
    if (::stat(source.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
        for (const char* key : {"uid", "gid", "mode"}) {
            const Node* ignored = reference.find(key);
            if (ignored != nullptr && !ignored->is_null())
                diagnostics_.warning(
                    fmt::format("'{}' is ignored: a folder of the host keeps its own", key),
                    ignored->place(), "change it on the host");
        }
        Mount mount;
        mount.source = source;
        mount.target = target;
        mount.read_only = true;
        mount.create_host_path = false;
        service_.volumes.push_back(std::move(mount));
        return;
    }
    InlineFile file{.target = target, .source = source};
    constexpr std::size_t kLargest = 16U << 20U;  // it is kept in memory
    Result<std::string> content = read_file(source, kLargest);
    if (content)
        file.content = *std::move(content);
    else
        file.unreadable = content.error().kind() == ErrorKind::NotFound
                              ? "it does not exist"
                              : content.error().to_string();
    add_copy(reference, std::move(file));
}

void Files::add_copy(const Node& reference, InlineFile file) {
    const bool uid = read_id(reference, "uid", file.uid, diagnostics_);
    const bool gid = read_id(reference, "gid", file.gid, diagnostics_);
    file.mode = mode_of(reference);
    if (uid && gid) service_.inline_files.push_back(std::move(file));
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
