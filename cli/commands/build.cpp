#include "stack/build.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "cli/build_view.h"
#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/interrupts.h"
#include "cli/push_images.h"
#include "cli/render.h"
#include "cli/target.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <sys/stat.h>

// Two commands in one word: `build [SERVICE…]` as docker compose has it, `build -t NAME PATH` as
// docker has it.
namespace davit::cli {
namespace {

bool is_folder(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

/// Whether a folder is meant and not services of the project.
bool means_folder(const BuildFlags& flags) {
    const bool own_flags = !flags.tags.empty() || !flags.target.empty() || !flags.labels.empty() ||
                           !flags.secrets.empty() || !flags.iid_file.empty() ||
                           !flags.contexts.empty() || !flags.network.empty() ||
                           !flags.add_hosts.empty() || !flags.ulimits.empty() ||
                           !flags.shm_size.empty();
    if (own_flags) return true;
    if (flags.words.size() != 1) return false;
    const std::string& word = flags.words.front();
    return word == "." || word == ".." || word == "-" || word.find('/') != std::string::npos;
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

/// "NAME" without a value takes that of the environment.
Result<void> add_args(const Context& context, const std::vector<std::string>& words,
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

Result<builder::BuildRequest> request_of(const Context& context, const BuildFlags& flags) {
    builder::BuildRequest request;
    if (flags.words.size() != 1)
        return Error(ErrorKind::InvalidInput, "'build' needs one folder to build")
            .help("write davit build -t NAME FOLDER");
    const std::string& word = flags.words.front();
    request.context = clean_path(join_path(context.working_dir, word));
    if (!is_folder(request.context))
        return Error(ErrorKind::NotFound,
                     fmt::format("the build context '{}' is no folder", printable(word)))
            .help("name the folder that holds the files of the build");
    const std::vector<std::string>& files = context.globals.files;
    if (files.size() > 1)
        return Error(ErrorKind::InvalidInput, "-f names more than one Dockerfile");
    const std::string dockerfile = files.empty() ? request.context + "/Dockerfile"
                                   : files.front() == "-"
                                       ? "-"
                                       : join_path(context.working_dir, files.front());
    request.dockerfile = TRY(builder::read_source(dockerfile));
    request.ignore_file = TRY(builder::find_ignore_file(dockerfile, request.context));
    request.target = flags.target;
    request.names = flags.tags;
    request.no_cache = flags.no_cache;
    request.pull = flags.pull;
    if (!flags.network.empty()) request.network = flags.network;
    TRY(add_args(context, flags.args, request.args));
    for (const std::string& label : flags.labels) {
        const std::size_t equals = label.find('=');
        request.labels[label.substr(0, equals)] =
            equals == std::string::npos ? "" : label.substr(equals + 1);
    }
    for (const std::string& secret : flags.secrets)
        TRY(add_secret(context, secret, request.secrets));
    for (const std::string& text : flags.contexts) {
        const auto [name, place] = TRY(name_and_value(text, "build context"));
        request.contexts[name] =
            place.starts_with("docker-image://") ? place : join_path(context.working_dir, place);
    }
    TRY(add_limits(flags, request.limits));
    return request;
}

Result<void> check_request(const builder::BuildRequest& request) {
    if (request.network != "default" && request.network != "none" && request.network != "host")
        return Error(ErrorKind::Unsupported,
                     fmt::format("a build on the network '{}' is not supported", request.network))
            .help("use default, none or host");
    return {};
}

Result<builder::BuildResult> build_one(const Context& context,
                                       const stack::Environment& environment,
                                       builder::BuildRequest request, BuildView& view, bool quiet) {
    const bool colour = context.terminal.err_colour;
    TRY(check_request(request));
    request.source_date_epoch = TRY(source_date_epoch(context, request.args));
    Diagnostics diagnostics;
    auto built = stack::build_image(
        environment, request, [&](const builder::BuildEvent& event) { view.show(event); },
        [] { return Interrupts::count() > 0; },
        bring_base_images(context, environment.paths.data_root, quiet), diagnostics);
    to_stderr(render(diagnostics, Severity::Error, colour));
    if (!built) to_stderr(harmless(view.held_output()));
    return built;
}

Result<int> build_folder(const Context& context, const BuildFlags& flags, BuildView::Style style) {
    stack::Environment environment;
    environment.paths.data_root = TRY(image_data_root(context));
    environment.paths.run_root = run_root(context);
    environment.runtime_program = TRY(find_runtime(context));
    builder::BuildRequest request = TRY(request_of(context, flags));
    if (context.globals.dry_run)
        return tell_intents(
            {{'+', "build", "image", flags.tags.empty() ? "(without a name)" : flags.tags.front(),
              fmt::format("from {}", request.context)}});
    if (flags.push && flags.tags.empty())
        return Error(ErrorKind::InvalidInput, "--push needs a name").help("add -t NAME");
    const Interrupts interrupts = TRY(Interrupts::install(2));
    BuildView view(style, context.terminal.err_colour, "");
    const builder::BuildResult built = TRY(build_one(context, environment, std::move(request), view,
                                                     style != BuildView::Style::Plain));
    const std::string id = "sha256:" + built.image_id;
    if (!flags.iid_file.empty())
        TRY(write_in_place(join_path(context.working_dir, flags.iid_file), id, 0644));
    if (!flags.metadata_file.empty()) {
        Json metadata = {{"containerimage.config.digest", id}};
        if (!flags.tags.empty())
            metadata["image.name"] = fmt::format("{}", fmt::join(flags.tags, ","));
        TRY(write_in_place(join_path(context.working_dir, flags.metadata_file),
                           metadata.dump(2) + "\n", 0644));
    }
    if (style == BuildView::Style::Quiet) {
        to_stdout(id + "\n");
    } else {
        to_stderr(fmt::format("writing image {}\n", id));
        for (const std::string& tag : flags.tags) to_stderr(fmt::format("naming to {}\n", tag));
    }
    if (!flags.push) return kOk;
    PushRequest push;
    push.images = flags.tags;
    push.quiet = style == BuildView::Style::Quiet;
    return push_images(context, environment.paths.data_root, push);
}

}  // namespace

void declare(CLI::App& command, BuildFlags& flags) {
    const auto list = [&](const char* names, std::vector<std::string>& values, const char* about) {
        return command.add_option(names, values, about)->allow_extra_args(false);
    };
    list("-t,--tag", flags.tags, "Name of the image; may be repeated")->type_name("NAME");
    list("--build-arg", flags.args, "Value of an ARG; may be repeated")->type_name("NAME=VALUE");
    list("--label", flags.labels, "Label of the image; may be repeated")->type_name("NAME=VALUE");
    list("--secret", flags.secrets, "id=NAME,src=FILE or id=NAME,env=VARIABLE; may be repeated");
    list("--build-context", flags.contexts, "One more context; may be repeated")
        ->type_name("NAME=FOLDER");
    list("--add-host", flags.add_hosts, "A name for /etc/hosts while it builds")
        ->type_name("NAME:ADDRESS");
    list("--ulimit", flags.ulimits, "Limit of the steps")->type_name("NAME=SOFT:HARD");
    command.add_option("--target", flags.target, "Stage to build")->type_name("STAGE");
    command.add_option("--network", flags.network, "Network of the steps: default, none or host");
    command.add_option("--shm-size", flags.shm_size, "Size of /dev/shm");
    command.add_flag("--no-cache", flags.no_cache, "Carry out every step");
    command.add_flag("--pull", flags.pull, "Bring base images anew");
    command.add_flag("--push", flags.push, "Push what was built");
    command.add_flag("-q,--quiet", flags.quiet, "Print the image's id alone");
    command.add_flag("--with-dependencies", flags.with_dependencies,
                     "Also build what the services depend on");
    command.add_flag("--parallel", flags.parallel)->group("");
    command.add_option("--iidfile", flags.iid_file, "File for the image's id")->type_name("FILE");
    command.add_option("--metadata-file", flags.metadata_file, "File for what came out, as JSON")
        ->type_name("FILE");
    command.add_option("SERVICE", flags.words, "Services, or the folder to build");
}

Result<int> run(const Context& context, const BuildFlags& flags) {
    const BuildView::Style style =
        flags.quiet ? BuildView::Style::Quiet : TRY(parse_build_progress(context.globals.progress));
    if (means_folder(flags)) return build_folder(context, flags, style);
    TargetOrExit found = TRY(find_target(context, FileNeed::Required, flags.words));
    if (!found.target) return found.exit_code;
    TRY(check_services(*found.target, flags.words, {}));
    found.target->environment.runtime_program = TRY(find_runtime(context));
    const Interrupts interrupts = TRY(Interrupts::install(2));
    ServiceBuilds builds;
    builds.services = flags.words;
    builds.dependencies = flags.with_dependencies;
    builds.no_cache = flags.no_cache;
    builds.pull = flags.pull;
    builds.style = style;
    TRY(add_args(context, flags.args, builds.args));
    if (context.globals.dry_run) return tell_intents(TRY(intents_to_build(*found.target, builds)));
    const auto built = TRY(build_services(context, *found.target, builds));
    if (built.empty())
        to_stderr(render_warning("No services to build", context.terminal.err_colour));
    if (Interrupts::count() > 0) return kInterrupted;
    if (!flags.push) return kOk;
    std::set<std::string> services;
    for (const stack::BuiltService& one : built) services.insert(one.service);
    PushRequest push;
    push.images = TRY(images_to_push(*found.target, services));
    push.quiet = flags.quiet;
    return push_images(context, found.target->environment.paths.data_root, push);
}

}  // namespace davit::cli
