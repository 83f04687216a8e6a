#include "stack/build.h"

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "cli/build_request.h"
#include "cli/build_view.h"
#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/interrupts.h"
#include "cli/push_images.h"
#include "cli/render.h"
#include "cli/target.h"
#include "image/platform.h"
#include "image/store_files.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>
#include <set>

// Two commands in one word: `build [SERVICE…]` as docker compose has it, `build -t NAME PATH` as
// docker has it.
namespace davit::cli {
namespace {

/// Whether a folder is meant and not services of the project.
bool means_folder(const BuildFlags& flags) {
    const bool own_flags =
        !flags.tags.empty() || !flags.target.empty() || !flags.labels.empty() ||
        !flags.secrets.empty() || !flags.iid_file.empty() || !flags.contexts.empty() ||
        !flags.network.empty() || !flags.add_hosts.empty() || !flags.ulimits.empty() ||
        !flags.shm_size.empty() || !flags.outputs.empty() || !flags.cache_from.empty() ||
        !flags.cache_to.empty() || !flags.allow.empty() || !flags.no_cache_filter.empty() ||
        !flags.platform.empty();
    if (own_flags) return true;
    if (flags.words.size() != 1) return false;
    const std::string& word = flags.words.front();
    return word == "." || word == ".." || word.find('/') != std::string::npos ||
           builder::is_remote_context(word);
}

/// `--platform`: this host's own, as with `build.platforms`.
Result<void> check_platforms(const std::string& words) {
    const std::string own = fmt::format("linux/{}", image::own_architecture());
    for (const std::string& word : split(words, ',')) {
        if (word == "local" || word.empty()) continue;
        const image::Platform wanted = TRY(image::parse_platform(word));
        if (wanted.os == "linux" && wanted.architecture == image::own_architecture()) continue;
        return Error(ErrorKind::Unsupported,
                     fmt::format("an image for '{}' can't be built here", printable(word)))
            .help(
                fmt::format("leave --platform out, or write {}: davit builds for this host", own));
    }
    return {};
}

Error refused(const char* flag, std::string help) {
    return Error(ErrorKind::Unsupported, fmt::format("build {} is not supported", flag))
        .help(std::move(help));
}

/// Whether a value of --attest, --provenance or --sbom asks for one.
bool asks(const std::string& value) {
    return !value.empty() && value != "false" && value != "0" &&
           value.find("disabled=true") == std::string::npos;
}

/// What `docker build` has and davit has no use for: refused where the result would be another one,
/// told where it is not. What BuildKit itself doesn't heed is passed over in silence.
Result<void> check_habits(const Context& context, const BuildFlags& flags) {
    TRY(check_platforms(flags.platform));
    if (!flags.annotations.empty())
        return refused("--annotation", "use --label: it stays with the image");
    if (!flags.cgroup_parent.empty())
        return refused("--cgroup-parent", "every step has a cgroup of its own: leave it out");
    const auto warn = [&](const std::string& text) {
        to_stderr(render_warning(text, context.terminal.err_colour));
    };
    const bool attests = std::any_of(flags.attests.begin(), flags.attests.end(), asks);
    if (attests || asks(flags.provenance) || asks(flags.sbom))
        warn("davit writes no attestations: --attest, --provenance and --sbom are passed over");
    if (!flags.builder.empty() && flags.builder != "default")
        warn(fmt::format("there is no builder '{}': davit itself builds, on this host",
                         printable(flags.builder)));
    return {};
}

Result<builder::BuildResult> build_one(const Context& context,
                                       const stack::Environment& environment,
                                       builder::BuildRequest request, BuildView& view, bool quiet) {
    const bool colour = context.terminal.err_colour;
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

/// `--check`: remarks are what was asked for, so that one alone is a failure.
Result<int> check_one(const Context& context, const builder::BuildRequest& request) {
    Diagnostics diagnostics;
    const Result<void> checked = builder::check(request, diagnostics);
    const int code = tell_remarks(context, std::move(diagnostics));
    TRY(checked);
    return code;
}

Result<void> write_notes(const Context& context, const BuildFlags& flags, const std::string& id) {
    if (!flags.iid_file.empty())
        TRY(write_in_place(join_path(context.working_dir, flags.iid_file), id, 0644));
    if (flags.metadata_file.empty()) return {};
    Json metadata = {{"containerimage.config.digest", id}};
    if (!flags.tags.empty()) metadata["image.name"] = fmt::format("{}", fmt::join(flags.tags, ","));
    return write_in_place(join_path(context.working_dir, flags.metadata_file),
                          metadata.dump(2) + "\n", 0644);
}

void tell_result(const BuildFlags& flags, const std::vector<builder::Output>& outputs,
                 BuildView::Style style, const std::string& id) {
    const bool piped =
        std::any_of(outputs.begin(), outputs.end(),
                    [](const builder::Output& output) { return output.dest == "-"; });
    if (style == BuildView::Style::Quiet && !piped) to_stdout(id + "\n");
    if (style == BuildView::Style::Quiet) return;
    for (const builder::Output& output : outputs)
        if (output.kind != builder::Output::Kind::Store && output.dest != "-")
            to_stderr(fmt::format("writing {}\n", harmless(output.dest)));
    if (!builder::wants_store(outputs)) return;
    to_stderr(fmt::format("writing image {}\n", id));
    for (const std::string& tag : flags.tags) to_stderr(fmt::format("naming to {}\n", tag));
}

Result<int> build_folder(const Context& context, const BuildFlags& flags, BuildView::Style style) {
    stack::Environment environment;
    environment.paths.data_root = TRY(image_data_root(context));
    environment.paths.run_root = run_root(context);
    if (context.globals.dry_run)
        return tell_intents(
            {{'+', "build", "image", flags.tags.empty() ? "(without a name)" : flags.tags.front(),
              fmt::format("from {}", flags.words.empty() ? "." : flags.words.front())}});
    const Interrupts interrupts = TRY(Interrupts::install(2));
    FolderBuild build = TRY(read_folder_build(context, flags, environment.paths.data_root));
    if (flags.load && !builder::wants_store(build.request.outputs))
        build.request.outputs.emplace_back();
    if (flags.check) return check_one(context, build.request);
    environment.runtime_program = TRY(find_runtime(context));
    if (flags.push && (flags.tags.empty() || !builder::wants_store(build.request.outputs)))
        return Error(ErrorKind::InvalidInput, "--push needs an image of the store with a name")
            .help("add -t NAME, and no --output but type=image");
    const std::vector<builder::Output> outputs = build.request.outputs;
    BuildView view(style, context.terminal.err_colour, "");
    const builder::BuildResult built = TRY(build_one(context, environment, std::move(build.request),
                                                     view, style != BuildView::Style::Plain));
    const std::string id = "sha256:" + built.image_id;
    TRY(write_notes(context, flags, id));
    tell_result(flags, outputs, style, id);
    PushRequest push;
    push.images = built.caches;
    if (flags.push) push.images.insert(push.images.end(), flags.tags.begin(), flags.tags.end());
    if (push.images.empty()) return kOk;
    push.quiet = style == BuildView::Style::Quiet;
    return push_images(context, environment.paths.data_root, push);
}

}  // namespace

namespace {

/// What stands in the command lines of docker's users. @source docker/buildx, commands/build.go
void declare_habits(CLI::App& command, BuildFlags& flags) {
    command.add_option("--platform", flags.platform, "Only this host's own")->type_name("PLATFORM");
    command.add_flag("--load", flags.load, "An image of the store, beside what --output says");
    command.add_option("--provenance", flags.provenance, "Accepted: davit writes no attestations");
    command.add_option("--sbom", flags.sbom, "Accepted: davit writes no attestations");
    command.add_option("--attest", flags.attests, "Accepted: davit writes no attestations")
        ->allow_extra_args(false);
    command.add_option("--builder", flags.builder, "Accepted: davit itself builds")
        ->type_name("NAME");
    for (const char* names : {"--rm", "--force-rm", "--no-rm", "--compress"})
        command.add_flag(names, flags.no_effect)->group("");
    for (const char* names : {"-m,--memory", "--memory-swap", "--cpu-period", "--cpu-quota",
                              "-c,--cpu-shares", "--cpuset-cpus", "--cpuset-mems"})
        command.add_option(names, flags.unheeded)->allow_extra_args(false)->group("");
    command.add_option("--annotation", flags.annotations)->allow_extra_args(false)->group("");
    command.add_option("--cgroup-parent", flags.cgroup_parent)->group("");
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
    list("-o,--output", flags.outputs,
         "Where the result goes: type=docker|oci|local|tar,dest=PATH, or a folder")
        ->type_name("OUTPUT");
    list("--ssh", flags.ssh, "SSH agent for RUN --mount=type=ssh: default, ID=SOCKET or ID=KEY")
        ->type_name("AGENT");
    list("--cache-from", flags.cache_from,
         "Steps that were done elsewhere: type=local,src=FOLDER, or an image")
        ->type_name("CACHE");
    list("--cache-to", flags.cache_to,
         "Keep the steps for others: type=local,dest=FOLDER, type=registry,ref=NAME, type=inline")
        ->type_name("CACHE");
    list("--no-cache-filter", flags.no_cache_filter, "Carry out every step of these stages")
        ->type_name("STAGE");
    list("--allow", flags.allow,
         "What RUN may ask for: network.host, security.insecure; may be repeated")
        ->type_name("RIGHT");
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
    command.add_flag("--check", flags.check, "Only say what is amiss with the Dockerfile");
    command.add_flag("--push", flags.push, "Push what was built");
    command.add_flag("-q,--quiet", flags.quiet, "Print the image's id alone");
    command.add_flag("--with-dependencies", flags.with_dependencies,
                     "Also build what the services depend on");
    command.add_flag("--parallel", flags.parallel)->group("");
    declare_habits(command, flags);
    command.add_option("--iidfile", flags.iid_file, "File for the image's id")->type_name("FILE");
    command.add_option("--metadata-file", flags.metadata_file, "File for what came out, as JSON")
        ->type_name("FILE");
    command.add_option("SERVICE", flags.words, "Services, or the folder or address to build");
}

Result<int> run(const Context& context, const BuildFlags& flags) {
    const BuildView::Style style =
        flags.quiet ? BuildView::Style::Quiet : TRY(parse_build_progress(context.globals.progress));
    TRY(check_habits(context, flags));
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
    builds.ssh = flags.ssh;
    TRY(add_build_args(context, flags.args, builds.args));
    if (context.globals.dry_run) return tell_intents(TRY(intents_to_build(*found.target, builds)));
    if (flags.check) return lint_services(context, *found.target, builds);
    const auto built = TRY(build_services(context, *found.target, builds));
    if (built.empty())
        to_stderr(render_warning("No services to build", context.terminal.err_colour));
    if (Interrupts::count() > 0) return kInterrupted;
    std::set<std::string> services;
    PushRequest push;
    for (const stack::BuiltService& one : built) {
        services.insert(one.service);
        push.images.insert(push.images.end(), one.caches.begin(), one.caches.end());
    }
    if (flags.push) {
        const std::vector<std::string> images = TRY(images_to_push(*found.target, services));
        push.images.insert(push.images.end(), images.begin(), images.end());
    }
    if (push.images.empty()) return kOk;
    push.quiet = flags.quiet;
    return push_images(context, found.target->environment.paths.data_root, push);
}

}  // namespace davit::cli
