#include "cli/run_overlay.h"

#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "base/strings.h"
#include "compose/locate.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <sys/mman.h>

namespace davit::cli {
namespace {

/// A YAML string in double quotes, in which no variable is looked for.
std::string quoted(const std::string& text) {
    std::string plain;
    for (const char letter : text)
        plain += letter == '$' ? std::string("$$") : std::string(1, letter);
    return Json(plain).dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string list(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : ", ") + quoted(word);
    return "[" + text + "]";
}

/// "-e NAME" takes the value of the caller's environment, or else what the project's env files
/// have, as any NAME in a Compose file does. An image has no such files.
std::vector<std::string> variables(const Context& context, const RunFlags& flags, bool image) {
    std::vector<std::string> entries;
    for (const std::string& entry : flags.env) {
        if (entry.find('=') != std::string::npos)
            entries.push_back(entry);
        else if (context.environment.contains(entry))
            entries.push_back(entry + "=" + context.variable(entry));
        else if (!image)
            entries.push_back(entry);
    }
    return entries;
}

/// "nginx" of "docker.io/library/nginx:1.27".
std::string service_name(const std::string& image) {
    std::string name = image.substr(0, image.find('@'));
    name = name.substr(name.rfind('/') + 1);
    name = name.substr(0, name.find(':'));
    std::erase_if(name,
                  [](unsigned char c) { return std::isalnum(c) == 0 && c != '-' && c != '_'; });
    return fmt::format("{}-{}", name.empty() ? "image" : name, random_hex(3));
}

/// A file that only this process has, by a path that can be read.
Result<UniqueFd> in_memory(const std::string& text) {
    UniqueFd file(::memfd_create("run", MFD_CLOEXEC));
    if (!file) return Error::from_errno(errno, "memfd_create(2)");
    TRY(write_all(file, text));
    return file;
}

}  // namespace

std::string run_overlay(const Context& context, const RunFlags& flags, const std::string& service,
                        bool terminal, bool image) {
    std::string text = image ? "name: davit\n" : "";
    text += fmt::format("services:\n  {}:\n", quoted(service));
    const auto add = [&](const char* key, const std::string& value) {
        text += fmt::format("    {}: {}\n", key, value);
    };
    const auto add_list = [&](const char* key, const std::vector<std::string>& words) {
        if (!words.empty()) add(key, list(words));
    };
    if (image) add("image", quoted(flags.service));
    if (!flags.restart.empty())
        add("restart", quoted(flags.restart));
    else if (!image)
        add("restart", "\"no\"");
    add_list("command", flags.command);
    if (!flags.entrypoint.empty()) add("entrypoint", quoted(flags.entrypoint));
    add_list("environment", variables(context, flags, image));
    std::vector<std::string> env_files = flags.env_files;
    // `docker run --env-file` is for the program; there is no compose file that it could be for.
    if (image)
        env_files.insert(env_files.end(), context.globals.env_files.begin(),
                         context.globals.env_files.end());
    add_list("env_file", env_files);
    add_list("labels", flags.labels);
    add_list("volumes", flags.volumes);
    add_list("cap_add", flags.cap_add);
    add_list("cap_drop", flags.cap_drop);
    if (!flags.user.empty()) add("user", quoted(flags.user));
    if (!flags.working_dir.empty()) add("working_dir", quoted(flags.working_dir));
    // Without -P the service's own ports stay free for its own containers.
    const std::string ports = list(flags.publish);
    add("ports", flags.service_ports || image ? ports : "!override " + ports);
    if (!image) add("container_name", "!reset null");
    add("tty", terminal ? "true" : "false");
    add("stdin_open", flags.interactive && !flags.detach ? "true" : "false");
    return text;
}

namespace {

/// Nothing but what the command line says.
Result<TargetOrExit> load_image(const Context& context, const std::string& text,
                                const std::string& service) {
    Context alone = context;
    const UniqueFd file = TRY(in_memory(text));
    alone.globals.env_files.clear();
    alone.globals.project_directory = context.working_dir;
    alone.globals.files = {fmt::format("/proc/self/fd/{}", file.get())};
    TargetOrExit found = TRY(find_target(alone, FileNeed::Required, {service}));
    if (found.target) {
        found.target->loaded->project.files.clear();  // gone with this process
        found.target->loaded->places = {};
    }
    return found;
}

}  // namespace

Result<RunModel> load_for_run(const Context& context, const RunFlags& flags, bool terminal,
                              bool image) {
    RunModel model;
    model.service = !image               ? flags.service
                    : flags.name.empty() ? service_name(flags.service)
                                         : flags.name;
    std::string text = run_overlay(context, flags, model.service, terminal, image);
    TargetOrExit found = image ? TRY(load_image(context, text, model.service))
                               : TRY(find_target(context, FileNeed::Required, {model.service},
                                                 compose::Overlay{std::move(text), model.service}));
    model.exit_code = found.exit_code;
    if (!found.target) return model;
    if (Result<void> known = check_services(*found.target, {model.service}, {}); !known) {
        if (!known.error().help().empty()) return std::move(known).error();
        return std::move(known).error().help(
            fmt::format("where an image is meant, write its tag: '{}:latest'", model.service));
    }
    model.target = std::move(found.target);
    return model;
}

}  // namespace davit::cli
