#include "cli/build_request.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/strings.h"
#include "cli/data_root.h"
#include "cli/interrupts.h"
#include "stack/ssh_agents.h"

#include <fmt/format.h>
#include <sys/stat.h>

namespace davit::cli {
namespace {

bool is_folder(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Result<std::pair<std::string, std::string>> name_and_value(const std::string& text,
                                                           const char* what) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("{} '{}' has no '='", what, printable(text)))
            .help("write NAME=value");
    return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

/// "id=NAME,src=FILE", "id=NAME,env=VARIABLE".
Result<void> add_secret(const Context& context, const std::string& text,
                        std::map<std::string, std::string>& secrets) {
    std::map<std::string, std::string> fields;
    for (const std::string& field : split(text, ',')) {
        const auto [name, value] = TRY(name_and_value(field, "part of the secret"));
        fields[name == "source" ? "src" : name] = value;
    }
    std::string id = fields["id"];
    if (id.empty()) id = fields["src"].substr(fields["src"].rfind('/') + 1);
    if (id.empty())
        return Error(ErrorKind::InvalidInput, fmt::format("the secret '{}' has no id", text))
            .help("write id=NAME,src=FILE");
    constexpr std::size_t kLargest = 500U << 10U;
    if (!fields["src"].empty())
        secrets[id] = TRY_DOING(read_file(join_path(context.working_dir, fields["src"]), kLargest),
                                "read the secret '{}'", id);
    else
        secrets[id] = context.variable(fields["env"].empty() ? id : fields["env"]);
    return {};
}

Result<void> add_limits(const BuildFlags& flags, builder::RunLimits& limits) {
    if (!flags.shm_size.empty()) limits.shm_size_bytes = TRY(parse_bytes(flags.shm_size));
    for (std::string host : flags.add_hosts) {
        const std::size_t at = host.find_first_of("=:");
        if (at == std::string::npos)
            return Error(ErrorKind::InvalidInput, fmt::format("'{}' is no host", printable(host)))
                .help("write NAME:ADDRESS");
        host[at] = '=';
        limits.extra_hosts.push_back(std::move(host));
    }
    for (const std::string& ulimit : flags.ulimits) {
        const auto [name, value] = TRY(name_and_value(ulimit, "ulimit"));
        const std::size_t colon = value.find(':');
        const auto soft = parse_integer(value.substr(0, colon));
        const auto hard =
            colon == std::string::npos ? soft : parse_integer(value.substr(colon + 1));
        if (!soft || !hard)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' is no ulimit", printable(ulimit)))
                .help("write NAME=SOFT:HARD");
        limits.ulimits[name] = {*soft, *hard};
    }
    return {};
}

/// A context of this host, and the files in it that say how it is built.
Result<void> open_folder(const Context& context, const std::string& word, FolderBuild& build) {
    builder::BuildRequest& request = build.request;
    request.context = clean_path(join_path(context.working_dir, word));
    if (!is_folder(request.context))
        return Error(ErrorKind::NotFound,
                     fmt::format("the build context '{}' is no folder", printable(word)))
            .help("name the folder that holds the files of the build, or an address");
    const std::vector<std::string>& files = context.globals.files;
    const std::string dockerfile = files.empty() ? request.context + "/Dockerfile"
                                   : files.front() == "-"
                                       ? "-"
                                       : join_path(context.working_dir, files.front());
    request.dockerfile = TRY(builder::read_source(dockerfile));
    request.ignore_file = TRY(builder::find_ignore_file(dockerfile, request.context));
    return {};
}

/// A context that comes from elsewhere. `-f` names a file of it.
Result<void> fetch_folder(const Context& context, const std::string& word,
                          const std::string& data_root, FolderBuild& build) {
    builder::BuildRequest& request = build.request;
    builder::GitOptions git;
    git.cancelled = [] { return Interrupts::count() > 0; };
    if (const auto agent = request.ssh.find("default"); agent != request.ssh.end())
        git.agent = agent->second;
    if (const auto token = request.secrets.find("GIT_AUTH_TOKEN"); token != request.secrets.end())
        git.token = token->second;
    const auto keep = request.args.find("BUILDKIT_CONTEXT_KEEP_GIT_DIR");
    git.keep_git_dir = keep != request.args.end() && keep->second == "1";
    build.fetched = TRY(builder::fetch_context(data_root, word, git));
    request.context = build.fetched->folder;
    request.dockerfile = build.fetched->dockerfile;
    if (request.dockerfile) return {};
    const std::vector<std::string>& files = context.globals.files;
    const std::string name = files.empty() ? "Dockerfile" : files.front();
    if (name == "-" && word != "-")
        request.dockerfile = TRY(builder::read_source(name));
    else
        request.dockerfile = TRY(builder::read_source_in(request.context, name));
    request.ignore_file = TRY(builder::find_ignore_file_in(request.context, name));
    return {};
}

Result<void> add_places(const Context& context, const BuildFlags& flags,
                        builder::BuildRequest& request) {
    for (const std::string& text : flags.outputs) {
        builder::Output output = TRY(builder::parse_output(text, context.working_dir));
        request.outputs.push_back(std::move(output));
    }
    for (const std::string& text : flags.cache_from) {
        builder::CachePlace place = TRY(builder::parse_cache_from(text, context.working_dir));
        request.cache_from.push_back(std::move(place));
    }
    for (const std::string& text : flags.cache_to) {
        builder::CachePlace place = TRY(builder::parse_cache_to(text, context.working_dir));
        request.cache_to.push_back(std::move(place));
    }
    for (const std::string& text : flags.contexts) {
        const auto [name, place] = TRY(name_and_value(text, "build context"));
        const bool elsewhere =
            place.starts_with("docker-image://") || builder::is_remote_context(place);
        request.contexts[name] = elsewhere ? place : join_path(context.working_dir, place);
    }
    return {};
}

Result<void> check_network(const builder::BuildRequest& request) {
    if (request.network == "default" || request.network == "none" || request.network == "host")
        return {};
    return Error(ErrorKind::Unsupported,
                 fmt::format("a build on the network '{}' is not supported", request.network))
        .help("use default, none or host");
}

}  // namespace

Result<FolderBuild> read_folder_build(const Context& context, const BuildFlags& flags,
                                      const std::string& data_root) {
    if (flags.words.size() != 1)
        return Error(ErrorKind::InvalidInput, "'build' needs one folder to build")
            .help("write davit build -t NAME FOLDER");
    if (context.globals.files.size() > 1)
        return Error(ErrorKind::InvalidInput, "-f names more than one Dockerfile");
    FolderBuild build;
    builder::BuildRequest& request = build.request;
    request.target = flags.target;
    request.names = flags.tags;
    request.no_cache = flags.no_cache;
    request.no_cache_stages = builder::stage_names(flags.no_cache_filter);
    request.entitlements = TRY(builder::parse_entitlements(flags.allow));
    request.pull = flags.pull;
    if (!flags.network.empty()) request.network = flags.network;
    TRY(check_network(request));
    TRY(add_build_args(context, flags.args, request.args));
    for (const std::string& label : flags.labels) {
        const std::size_t equals = label.find('=');
        request.labels[label.substr(0, equals)] =
            equals == std::string::npos ? "" : label.substr(equals + 1);
    }
    for (const std::string& secret : flags.secrets)
        TRY(add_secret(context, secret, request.secrets));
    const std::string& word = flags.words.front();
    const bool remote = builder::is_remote_context(word);
    if (remote || !flags.check)
        build.agents =
            TRY(stack::open_ssh_agents(flags.ssh, {.socket = context.variable("SSH_AUTH_SOCK"),
                                                   .run_root = run_root(context),
                                                   .folder = context.working_dir}));
    request.ssh = build.agents.sockets;
    TRY(add_places(context, flags, request));
    TRY(add_limits(flags, request.limits));
    if (remote)
        TRY(fetch_folder(context, word, data_root, build));
    else
        TRY(open_folder(context, word, build));
    return build;
}

Result<void> add_build_args(const Context& context, const std::vector<std::string>& words,
                            std::map<std::string, std::string>& args) {
    for (const std::string& word : words) {
        if (word.find('=') != std::string::npos) {
            const auto [name, value] = TRY(name_and_value(word, "build argument"));
            args[name] = value;
        } else if (context.environment.contains(word)) {
            args[word] = context.variable(word);
        }
    }
    return {};
}

}  // namespace davit::cli
