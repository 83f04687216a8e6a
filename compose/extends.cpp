#include "base/file.h"
#include "base/strings.h"
#include "compose/merge.h"
#include "compose/model.h"

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <set>

namespace davit::compose {
namespace {

/// The services of one file, whose own `extends` are carried out when they are asked for.
struct BaseFile {
    std::string path = {};       ///< Absolute; empty for the document that is being loaded.
    std::string directory = {};  ///< Where relative names of files in it stand.
    Node* services = nullptr;    ///< A mapping, or nullptr.
    Node own = {};               ///< The document of another file.
    std::set<std::string> canonical = {};  ///< Names of its services that are in canonical form.
};

constexpr std::size_t kDeepest = 100;
constexpr std::size_t kMostCopied = 300'000;

std::size_t size_of(const Node& node) {
    std::size_t size = 1;
    for (const Node& item : node.items) size += size_of(item);
    return size;
}

class Extender {
public:
    Extender(ModelLoader& loader, const Variables& environment, Diagnostics& diagnostics)
        : loader_(loader), environment_(environment), diagnostics_(diagnostics) {}

    /// Carries out what the service says of `extends`; false where it can't be.
    bool resolve(BaseFile& file, Node& service);

private:
    struct Step {
        std::string path;
        std::string service;
        bool operator==(const Step&) const = default;
    };

    BaseFile* other_file(const std::string& path, const Node& where);
    bool refuse_circle(const Step& step, const Node& where);

    ModelLoader& loader_;
    const Variables& environment_;
    Diagnostics& diagnostics_;
    std::map<std::string, std::unique_ptr<BaseFile>> files_;
    std::vector<Step> open_;
    std::size_t copied_ = 0;  ///< Values of bases that were copied.
    bool refused_size_ = false;
};

BaseFile* Extender::other_file(const std::string& path, const Node& where) {
    const auto known = files_.find(path);
    if (known != files_.end()) return known->second.get();
    auto file = std::make_unique<BaseFile>();
    file->path = path;
    file->directory = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
    if (!exists(path)) {
        diagnostics_.error(fmt::format("there is no file '{}'", path), where.place(),
                           "name a compose file in 'extends'");
        return nullptr;
    }
    std::optional<std::vector<std::vector<Node>>> documents =
        read_documents({{path, path, true}}, diagnostics_);
    if (!documents) return nullptr;
    for (Node& document : documents->front()) {
        if (!document.is_mapping()) continue;
        // Its services are checked one by one, when they are asked for: the others are no part of
        // this project.
        loader_.interpolate(document, environment_);
        merge_document(file->own, std::move(document), diagnostics_);
    }
    Node* services = file->own.find("services");
    if (services != nullptr && services->is_mapping()) file->services = services;
    return files_.emplace(path, std::move(file)).first->second.get();
}

bool Extender::refuse_circle(const Step& step, const Node& where) {
    const auto first = std::find(open_.begin(), open_.end(), step);
    if (first == open_.end()) return false;
    std::string circle;
    const bool one_file =
        std::all_of(first, open_.end(), [&](const Step& each) { return each.path == step.path; });
    const auto name = [&](const Step& each) {
        if (one_file || each.path.empty()) return each.service;
        return fmt::format("{} ({})", each.service, each.path);
    };
    for (auto at = first; at != open_.end(); ++at) circle += name(*at) + " -> ";
    diagnostics_.error(
        fmt::format("services extend each other in a circle: {}{}", circle, name(step)),
        where.place(), "take one of these 'extends' out");
    return true;
}

bool Extender::resolve(BaseFile& file, Node& service) {
    if (!service.is_mapping() || service.find("extends") == nullptr) return true;
    const Node extends = *service.find("extends");
    service.erase("extends");  // also what tells that it is carried out
    const Node* name = extends.find("service");
    if (name == nullptr || !name->is_scalar()) {
        if (!extends.refused && (name == nullptr || !name->refused))
            diagnostics_.error(
                fmt::format("'extends' of service '{}' names no service", service.key),
                extends.place(), "add 'service: NAME'");
        return false;
    }
    BaseFile* from = &file;
    const Node* other = extends.find("file");
    if (other != nullptr && other->is_scalar()) {
        from = other_file(clean_path(join_path(file.directory, other->text)), *other);
        if (from == nullptr) return false;
    }
    Node* base = from->services != nullptr ? from->services->find(name->text) : nullptr;
    if (base == nullptr) {
        std::vector<std::string> names;
        if (from->services != nullptr)
            for (const Node& known : from->services->items) names.push_back(known.key);
        const auto meant = nearest(name->text, names);
        diagnostics_.error(fmt::format("service '{}' extends '{}', which is not defined{}",
                                       service.key, printable(name->text),
                                       from->path.empty() ? std::string(" in this file")
                                                          : fmt::format(" in '{}'", from->path)),
                           name->place(),
                           meant ? fmt::format("the nearest service is '{}'", *meant)
                                 : "name a service of that file");
        return false;
    }
    if (!from->path.empty() && from->canonical.insert(base->key).second)
        loader_.make_service_canonical(*base, from->directory, environment_);
    if (open_.size() >= kDeepest) {
        diagnostics_.error(fmt::format("services extend each other more than {} deep", kDeepest),
                           extends.place(), "extend the first of them directly");
        return false;
    }
    open_.push_back({file.path, service.key});
    const bool sound = !refuse_circle({from->path, base->key}, extends) && resolve(*from, *base);
    open_.pop_back();
    if (!sound) {
        base->refused = true;
        return false;
    }
    if (!base->is_mapping()) return true;
    copied_ += size_of(*base);
    if (copied_ > kMostCopied) {
        if (!refused_size_)
            diagnostics_.error("the services that others extend are too large together",
                               extends.place(), "extend smaller services, or fewer");
        refused_size_ = true;
        return false;
    }
    Node merged = *base;
    merged.key = service.key;
    merged.key_pos = service.key_pos;
    merged.pos = service.pos;
    merged.tag = service.tag;
    const NodePath root{};
    const NodePath services = root.entry("services");
    const std::string key = service.key;
    service.tag.clear();
    merge_value(merged, std::move(service), kServiceShape, services.entry(key), diagnostics_);
    merged.key = key;
    service = std::move(merged);
    return true;
}

}  // namespace

void apply_extends(ModelLoader& loader, Node& document, const std::string& directory,
                   const Variables& environment, Diagnostics& diagnostics) {
    Node* services = document.find("services");
    if (services == nullptr || !services->is_mapping()) return;
    BaseFile file;
    file.directory = directory;
    file.services = services;
    Extender extender(loader, environment, diagnostics);
    for (Node& service : services->items) {
        // What the base would have said is not missing as well.
        if (!extender.resolve(file, service)) service.refused = true;
    }
}

}  // namespace davit::compose
