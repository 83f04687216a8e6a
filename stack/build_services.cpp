#include "stack/build_services.h"

#include "base/file.h"
#include "base/strings.h"
#include "compose/build.h"
#include "image/store_files.h"
#include "stack/build.h"

#include <algorithm>
#include <set>
#include <sys/stat.h>

namespace davit::stack {
namespace {

constexpr std::size_t kLargestSecret = 500U << 10U;

bool is_folder(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Result<builder::BuildRequest> request_of(const compose::Build& build,
                                         const BuildServicesRequest& wanted) {
    builder::BuildRequest request;
    if (!is_folder(build.context))
        return Error(ErrorKind::NotFound,
                     fmt::format("the build context '{}' is no folder", build.context))
            .help("make it, or correct 'context'");
    for (const std::string& platform : build.platforms) {
        if (platform == fmt::format("linux/{}", image::own_architecture())) continue;
        return Error(ErrorKind::Unsupported,
                     fmt::format("an image for '{}' can't be built here", printable(platform)))
            .help(fmt::format("leave linux/{} alone in 'platforms'", image::own_architecture()));
    }
    request.context = build.context;
    const std::string path = join_path(build.context, build.dockerfile);
    if (build.dockerfile_inline.empty()) {
        request.dockerfile = TRY(builder::read_source(path));
        request.ignore_file = TRY(builder::find_ignore_file(path, build.context));
    } else {
        request.dockerfile = std::make_shared<const SourceFile>(SourceFile{
            fmt::format("dockerfile_inline of {}", build.service), build.dockerfile_inline});
        request.ignore_file =
            TRY(builder::find_ignore_file(build.context + "/Dockerfile", build.context));
    }
    request.target = build.target;
    request.args = build.args;
    for (const auto& [name, value] : wanted.args) request.args[name] = value;
    request.labels = build.labels;
    request.names = build.tags;
    if (std::find(build.tags.begin(), build.tags.end(), build.image) == build.tags.end())
        request.names.insert(request.names.begin(), build.image);
    request.no_cache = build.no_cache || wanted.no_cache;
    request.pull = build.pull || wanted.pull;
    if (!build.network.empty()) request.network = build.network;
    for (const auto& [id, secret] : build.secrets)
        request.secrets[id] = secret.content ? *secret.content
                                             : TRY_DOING(read_file(secret.file, kLargestSecret),
                                                         "read the secret '{}'", id);
    request.contexts = build.contexts;
    request.limits.shm_size_bytes = build.shm_size_bytes;
    request.limits.extra_hosts = build.extra_hosts;
    request.limits.privileged = build.privileged;
    for (const auto& [name, limit] : build.ulimits)
        request.limits.ulimits[name] = {limit.soft, limit.hard};
    request.source_date_epoch = wanted.source_date_epoch;
    return request;
}

/// Puts services into the order in which they are built: those whose images others use as contexts
/// first.
class Order {
public:
    explicit Order(const std::map<std::string, compose::Build>& builds) : builds_(builds) {}

    Result<void> add(const std::string& service) {
        const auto build = builds_.find(service);
        if (build == builds_.end() || done_.contains(service)) return {};
        if (!open_.insert(service).second)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("the service '{}' needs its own image to be built", service))
                .at(build->second.place)
                .help("take 'service:' out of one of the additional_contexts");
        for (const std::string& need : build->second.context_services) TRY(add(need));
        done_.insert(service);
        order_.push_back(service);
        return {};
    }
    const std::vector<std::string>& services() const { return order_; }

private:
    const std::map<std::string, compose::Build>& builds_;
    std::set<std::string> open_;
    std::set<std::string> done_;
    std::vector<std::string> order_;
};

std::vector<std::string> selected(const BuildServicesRequest& request) {
    std::vector<std::string> names = request.services;
    const auto& services = request.loaded->project.services;
    if (names.empty())
        for (const auto& [name, service] : services) names.push_back(name);
    for (std::size_t i = 0; request.dependencies && i < names.size(); ++i) {
        const auto service = services.find(names[i]);
        if (service == services.end()) continue;
        for (const compose::Dependency& need : service->second.depends_on)
            if (std::find(names.begin(), names.end(), need.service) == names.end())
                names.push_back(need.service);
    }
    return names;
}

}  // namespace

namespace {

/// Whether the service has an image already, and that is enough.
Result<bool> is_there(const Environment& environment, const BuildServicesRequest& request,
                      const compose::Build& build) {
    const std::string& policy = request.loaded->project.services.at(build.service).pull_policy;
    if (!request.only_missing || policy == "build") return false;
    const auto store = TRY(image::Store::open_existing(environment.paths.data_root));
    return store && store->find(build.image).ok();
}

}  // namespace

Result<std::vector<BuiltService>> services_to_build(const Environment& environment,
                                                    const BuildServicesRequest& request) {
    Diagnostics diagnostics;
    const auto builds = compose::find_builds(*request.loaded, diagnostics);
    if (!diagnostics.ok()) return Error(ErrorKind::InvalidInput, "the services can't be built");
    Order order(builds);
    for (const std::string& name : selected(request)) TRY(order.add(name));
    std::vector<BuiltService> wanted;
    for (const std::string& name : order.services())
        if (!TRY(is_there(environment, request, builds.at(name))))
            wanted.push_back({name, builds.at(name).image, {}});
    return wanted;
}

Result<std::vector<BuiltService>> build_services(const Environment& environment,
                                                 const BuildServicesRequest& request,
                                                 Diagnostics& diagnostics) {
    const auto builds = compose::find_builds(*request.loaded, diagnostics);
    if (!diagnostics.ok()) return Error(ErrorKind::InvalidInput, "the services can't be built");
    Order order(builds);
    for (const std::string& name : selected(request)) TRY(order.add(name));
    std::vector<BuiltService> built;
    for (const std::string& name : order.services()) {
        const compose::Build& build = builds.at(name);
        if (TRY(is_there(environment, request, build))) continue;
        auto wanted = request_of(build, request);
        if (!wanted)
            return std::move(wanted).error().doing("build service '{}'", name).at(build.place);
        auto result = build_image(
            environment, *wanted,
            [&](const builder::BuildEvent& event) {
                if (request.on_event) request.on_event(name, event);
            },
            request.cancelled, request.bring, diagnostics);
        if (!result) return std::move(result).error().doing("build service '{}'", name);
        built.push_back({name, build.image, result->image_id});
    }
    return built;
}

}  // namespace davit::stack
