#include "base/file.h"
#include "base/strings.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/render.h"
#include "cli/target.h"
#include "cli/variables_text.h"
#include "compose/config_hash.h"
#include "compose/model_output.h"
#include "image/output_file.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace davit::cli {
namespace {

using compose::LoadedProject;
using compose::LoadOptions;
using compose::Node;

std::string lines(const std::set<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += name + "\n";
    return text;
}

std::set<std::string> keys_of(const Node& model, const char* table) {
    std::set<std::string> keys;
    if (const Node* node = model.find(table))
        for (const Node& entry : node->items) keys.insert(entry.key);
    return keys;
}

/// What `up` would run each service from; a built one without a name is called after the project.
std::set<std::string> images_of(const LoadedProject& loaded) {
    std::set<std::string> images;
    const Node* services = loaded.model.find("services");
    if (services == nullptr) return images;
    for (const Node& service : services->items) {
        const Node* image = service.find("image");
        if (image != nullptr && image->is_scalar() && !image->text.empty())
            images.insert(image->text);
        else if (service.find("build") != nullptr)
            images.insert(fmt::format("{}-{}", loaded.project.name, service.key));
    }
    return images;
}

Result<std::string> hashes_of(const LoadedProject& loaded, const std::string& wanted) {
    std::string text;
    const auto& services = loaded.project.services;
    std::set<std::string> names;
    if (wanted == "*") {
        for (const auto& [name, service] : services) names.insert(name);
    } else {
        for (const std::string& name : split(wanted, ',')) names.insert(name);
    }
    for (const std::string& name : names) {
        const auto service = services.find(name);
        if (service == services.end())
            return Error(ErrorKind::NotFound, fmt::format("there is no service '{}'", name))
                .help("'davit config --services' lists them");
        text += fmt::format("{} {}\n", name, compose::config_hash(loaded.project, service->second));
    }
    return text;
}

std::string environment_of(const LoadedProject& loaded) {
    std::string text;
    for (const auto& [name, value] : loaded.environment)
        text += fmt::format("{}={}\n", name, value);
    return text;
}

Result<std::string> text_of(const ConfigFlags& flags, const LoadedProject& loaded) {
    if (flags.services) return lines(keys_of(loaded.model, "services"));
    if (flags.volumes) return lines(keys_of(loaded.model, "volumes"));
    if (flags.networks) return lines(keys_of(loaded.model, "networks"));
    if (flags.images) return lines(images_of(loaded));
    if (flags.profiles)
        return lines(std::set<std::string>(loaded.profiles.begin(), loaded.profiles.end()));
    if (flags.hash) return hashes_of(loaded, *flags.hash);
    if (flags.variables) return variables_text(loaded.variables, flags.format == "json");
    if (flags.environment) return environment_of(loaded);
    if (!flags.explain.empty()) {
        std::string text = compose::explain_value(loaded.model, flags.explain);
        if (text.empty())
            return Error(ErrorKind::NotFound,
                         fmt::format("the project has no value '{}'", printable(flags.explain)))
                .help("write it as 'services.web.ports', the way 'davit config' nests it");
        return text;
    }
    const bool escape = !flags.no_interpolate;
    return flags.format == "json" ? compose::model_as_json(loaded.model, escape)
                                  : compose::model_as_yaml(loaded.model, escape);
}

/// Why there is no project: no file, or mistakes in it.
int exit_code(const Context& context) {
    const LoadOptions options = load_options(context);
    for (const std::string& file : options.files)
        if (file != "-" && !exists(join_path(options.working_dir, file))) return kNoFile;
    return compose::find_compose_file(options) ? kBadFile : kNoFile;
}

LoadOptions options_of(const Context& context, const ConfigFlags& flags) {
    LoadOptions options = load_options(context);
    options.purpose = LoadOptions::Purpose::Show;
    options.services = flags.names;
    // What can be set is asked for before it is set.
    options.interpolate = !flags.no_interpolate && !flags.variables;
    options.normalize = !flags.no_normalize;
    options.resolve_env = !flags.no_env_resolution;
    options.resolve_paths = !flags.no_path_resolution;
    options.check = !flags.no_consistency;
    options.all_resources = flags.all_resources || flags.no_normalize;
    return options;
}

}  // namespace

void declare(CLI::App& command, ConfigFlags& flags) {
    command.add_option("SERVICE", flags.names, "Services, with what they need; none: all");
    command.add_option("--format", flags.format, "Print as 'yaml' or 'json'")
        ->check(CLI::IsMember({"yaml", "json"}))
        ->type_name("FORMAT");
    command.add_option("-o,--output", flags.output, "Write to a file")->type_name("FILE");
    command
        .add_option("--explain", flags.explain,
                    "Say what a value is and which line of which file it came from")
        ->type_name("PATH");
    command.add_option("--hash", flags.hash, "Print the hash of services, '*' for all")
        ->type_name("SERVICES");
    command.add_flag("-q,--quiet", flags.quiet, "Only check; print nothing but mistakes");
    command.add_flag("--services", flags.services, "Print the names of the services");
    command.add_flag("--volumes", flags.volumes, "Print the names of the volumes");
    command.add_flag("--networks", flags.networks, "Print the names of the networks");
    command.add_flag("--images", flags.images, "Print the names of the images");
    command.add_flag("--profiles", flags.profiles, "Print the names of the profiles");
    command.add_flag("--variables", flags.variables,
                     "Print the variables that the files refer to, with their defaults");
    command.add_flag("--environment", flags.environment,
                     "Print the variables with which the files are read");
    command.add_flag("--no-interpolate", flags.no_interpolate, "Leave variables as they are");
    command.add_flag("--no-normalize", flags.no_normalize, "Leave defaults out");
    command.add_flag("--no-env-resolution", flags.no_env_resolution,
                     "Leave the files of 'env_file' unread");
    command.add_flag("--no-path-resolution", flags.no_path_resolution, "Leave paths as they are");
    command.add_flag("--no-consistency", flags.no_consistency, "Don't check references");
    command.add_flag("--all-resources", flags.all_resources, "Print what no service uses, too");
    command.add_flag("--resolve-image-digests", flags.resolve_image_digests,
                     "Pin images to digests (not supported yet)");
    command.add_flag("--lock-image-digests", flags.lock_image_digests,
                     "Print a file that pins images (not supported yet)");
}

Result<int> run(const Context& context, const ConfigFlags& flags) {
    if (flags.resolve_image_digests || flags.lock_image_digests)
        return Error(ErrorKind::Unsupported, "images can't be looked up in registries yet")
            .help("leave the flag out");
    Diagnostics diagnostics;
    const std::optional<LoadedProject> loaded =
        compose::load_project(options_of(context, flags), diagnostics);
    const bool json = flags.format == "json" && !loaded;
    // That variables aren't set yet is no news to who asks which there are.
    if (!loaded || !flags.variables)
        to_stderr(json ? render_json(diagnostics)
                       : render(diagnostics, Severity::Error, context.terminal.err_colour));
    if (!loaded) return exit_code(context);
    if (flags.quiet) return kOk;
    const std::string text = TRY(text_of(flags, *loaded));
    if (flags.output.empty()) {
        to_stdout(text);
    } else if (context.globals.dry_run) {
        return tell_intents({{'+', "write", "file", flags.output}});
    } else {
        TRY(write_atomically(join_path(context.working_dir, flags.output), text,
                             image::users_mode(0666), Sync::No));
    }
    return kOk;
}

}  // namespace davit::cli
