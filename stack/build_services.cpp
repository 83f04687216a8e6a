#include "stack/build_services.h"

#include "base/file.h"
#include "base/strings.h"
#include "builder/remote_context.h"
#include "compose/build.h"
#include "image/store_files.h"
#include "stack/build.h"
#include "stack/ssh_agents.h"

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

/// A build, and the context that was brought here for it, if any.
struct ServiceBuild {
    builder::BuildRequest request = {};
    std::shared_ptr<const builder::FetchedContext> fetched = {};
    SshAgents agents = {};
};

Result<void> check_platforms(const compose::Build& build) {
    const std::string own = fmt::format("linux/{}", image::own_architecture());
    for (const std::string& platform : build.platforms) {
        if (platform == own) continue;
        return Error(ErrorKind::Unsupported,
                     fmt::format("an image for '{}' can't be built here", printable(platform)))
            .help(fmt::format("leave {} alone in 'platforms'", own));
    }
    return {};
}

/// The Dockerfile of a context of this host, and what of it is left out.
Result<void> read_folder(const compose::Build& build, builder::BuildRequest& request) {
    if (!is_folder(build.context))
        return Error(ErrorKind::NotFound,
                     fmt::format("the build context '{}' is no folder", build.context))
            .help("make it, or correct 'context'");
    request.context = build.context;
    const bool own = build.dockerfile_inline.empty();
    const std::string path = join_path(build.context, own ? build.dockerfile : "Dockerfile");
    if (own) request.dockerfile = TRY(builder::read_source(path));
    request.ignore_file = TRY(builder::find_ignore_file(path, build.context));
    return {};
}

/// The same of a context that comes from elsewhere.
Result<void> fetch_folder(const Environment& environment, const compose::Build& build,
                          const BuildServicesRequest& wanted, ServiceBuild& result) {
    builder::BuildRequest& request = result.request;
    builder::GitOptions git;
    git.cancelled = wanted.cancelled;
    if (const auto agent = request.ssh.find("default"); agent != request.ssh.end())
        git.agent = agent->second;
    if (const auto token = request.secrets.find("GIT_AUTH_TOKEN"); token != request.secrets.end())
        git.token = token->second;
    result.fetched = TRY(builder::fetch_context(environment.paths.data_root, build.context, git));
    request.context = result.fetched->folder;
    const std::string name = build.dockerfile.empty() ? "Dockerfile" : build.dockerfile;
    request.dockerfile = result.fetched->dockerfile;
    if (!request.dockerfile && build.dockerfile_inline.empty())
        request.dockerfile = TRY(builder::read_source_in(request.context, name));
    request.ignore_file = TRY(builder::find_ignore_file_in(request.context, name));
    return {};
}

Result<void> add_caches(const compose::Build& build, const std::string& working_dir,
                        builder::BuildRequest& request) {
    for (const std::string& text : build.cache_from) {
        builder::CachePlace place = TRY(builder::parse_cache_from(text, working_dir));
        request.cache_from.push_back(std::move(place));
    }
    for (const std::string& text : build.cache_to) {
        builder::CachePlace place = TRY(builder::parse_cache_to(text, working_dir));
        request.cache_to.push_back(std::move(place));
    }
    return {};
}

Result<void> add_agents(const Environment& host, const compose::Build& build,
                        const BuildServicesRequest& wanted, ServiceBuild& result) {
    const auto& environment = wanted.loaded->environment;
    const auto own = environment.find("SSH_AUTH_SOCK");
    const SshPlace place = {
        .socket = own == environment.end() ? std::string() : own->second,
        .run_root = host.paths.run_root,
        .folder = wanted.loaded->project.working_dir,
    };
    // Those of the command line come last, and so win.
    std::vector<std::string> words = build.ssh;
    words.insert(words.end(), wanted.ssh.begin(), wanted.ssh.end());
    result.agents = TRY(open_ssh_agents(words, place));
    result.request.ssh = result.agents.sockets;
    return {};
}

/// @param runs whether it is to be built, not only looked at
Result<ServiceBuild> request_of(const Environment& environment, const compose::Build& build,
                                const BuildServicesRequest& wanted, bool runs) {
    ServiceBuild result;
    builder::BuildRequest& request = result.request;
    TRY(check_platforms(build));
    request.target = build.target;
    request.args = build.args;
    for (const auto& [name, value] : wanted.args) request.args[name] = value;
    request.labels = build.labels;
    request.names = build.tags;
    if (std::find(build.tags.begin(), build.tags.end(), build.image) == build.tags.end())
        request.names.insert(request.names.begin(), build.image);
    request.no_cache = build.no_cache || wanted.no_cache;
    request.no_cache_stages = builder::stage_names(build.no_cache_filter);
    request.entitlements = TRY(builder::parse_entitlements(build.entitlements));
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
    TRY(add_caches(build, wanted.loaded->project.working_dir, request));
    if (runs || builder::is_remote_context(build.context))
        TRY(add_agents(environment, build, wanted, result));
    if (builder::is_remote_context(build.context))
        TRY(fetch_folder(environment, build, wanted, result));
    else
        TRY(read_folder(build, request));
    if (!build.dockerfile_inline.empty())
        request.dockerfile = std::make_shared<const SourceFile>(SourceFile{
            fmt::format("dockerfile_inline of {}", build.service), build.dockerfile_inline});
    return result;
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
            wanted.push_back({name, builds.at(name).image, {}, {}});
    return wanted;
}

Result<void> check_builds(const Environment& environment, const BuildServicesRequest& request,
                          Diagnostics& diagnostics) {
    const auto builds = compose::find_builds(*request.loaded, diagnostics);
    if (!diagnostics.ok()) return Error(ErrorKind::InvalidInput, "the services can't be built");
    for (const std::string& name : selected(request)) {
        const auto build = builds.find(name);
        if (build == builds.end()) continue;
        const auto wanted = request_of(environment, build->second, request, false);
        if (!wanted)
            return Error(wanted.error()).doing("check service '{}'", name).at(build->second.place);
        const Result<void> checked = builder::check(wanted->request, diagnostics);
        if (!checked) return Error(checked.error()).doing("check service '{}'", name);
    }
    return {};
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
        auto wanted = request_of(environment, build, request, true);
        if (!wanted)
            return std::move(wanted).error().doing("build service '{}'", name).at(build.place);
        auto result = build_image(
            environment, wanted->request,
            [&](const builder::BuildEvent& event) {
                if (request.on_event) request.on_event(name, event);
            },
            request.cancelled, request.bring, diagnostics);
        if (!result) return std::move(result).error().doing("build service '{}'", name);
        built.push_back({name, build.image, result->image_id, result->caches});
    }
    return built;
}

}  // namespace davit::stack
