#include "runtime/oci_main.h"

#include "base/cure.h"
#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/sys.h"
#include "runtime/oci_commands.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <iterator>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

struct Command {
    const char* name;
    Result<int> (*run)(const OciGlobals&, const OciWords&);
};
constexpr Command kCommands[] = {
    {"create", oci_create}, {"start", oci_start},   {"run", oci_run},
    {"state", oci_state},   {"kill", oci_kill},     {"delete", oci_delete},
    {"exec", oci_exec},     {"ps", oci_ps},         {"pause", oci_pause},
    {"resume", oci_resume}, {"update", oci_update}, {"events", oci_events},
    {"list", oci_list},     {"spec", oci_spec},     {"features", oci_features}};

const std::vector<OciFlag>& global_flags() {
    static const std::vector<OciFlag> kFlags = {{"root"},
                                                {"log"},
                                                {"log-format"},
                                                {"log-level"},
                                                {"debug", '\0', false},
                                                {"systemd-cgroup", '\0', false},
                                                {"cgroup-manager"},
                                                {"rootless"}};
    return kFlags;
}

std::string default_root() {
    const char* own = ::geteuid() == 0 ? nullptr : std::getenv("XDG_RUNTIME_DIR");
    return std::string(own == nullptr ? "/run" : own) + "/davit-runtime";
}

/// What an engine shows to its user. @source runc(8), --log-format json
void write_log(const OciArguments& flags, const std::string& message) {
    const std::string path = flags.value("log");
    if (path.empty()) return;
    const UniqueFd file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!file) return;
    const std::string time = rfc3339(std::chrono::system_clock::now());
    const std::string line =
        flags.value("log-format") == "json"
            ? Json{{"level", "error"}, {"msg", message}, {"time", time}}.dump()
            : fmt::format("time=\"{}\" level=error msg={}", time, Json(message).dump());
    (void)!::write(file.get(), (line + "\n").data(), line.size() + 1);
}

/// Warnings go where the engine looks for them, and to standard error otherwise.
Result<void> set_log(const OciArguments& flags) {
    log::Options options;
    options.file = flags.value("log");
    if (flags.value("log-format") == "json") options.format = log::Format::Json;
    if (flags.has("debug"))
        options.level = log::Level::Debug;
    else if (flags.has("log-level"))
        options.level = TRY(log::parse_level(flags.value("log-level")));
    return log::configure(options);
}

int tell(const OciArguments& flags, const Error& error) {
    write_log(flags, error.to_string());
    std::string text = "error: " + error.to_string() + "\n";
    if (const std::string cure = cure_of(error); !cure.empty()) text += "  help: " + cure + "\n";
    (void)!::write(STDERR_FILENO, text.data(), text.size());
    return 1;
}

const Command* find_command(const std::string& name) {
    const auto* found = std::find_if(std::begin(kCommands), std::end(kCommands),
                                     [&](const Command& known) { return name == known.name; });
    return found == std::end(kCommands) ? nullptr : found;
}

/// The three that every program counts on: what is opened must not become one of them.
void fill_standard_streams() {
    for (int fd = 0; fd < 3; ++fd) {
        if (::fcntl(fd, F_GETFD) == -1 && ::open("/dev/null", O_RDWR) != fd) std::abort();
    }
}

}  // namespace

bool is_oci_call(const std::vector<std::string>& words) {
    const Result<OciArguments> parsed = OciArguments::parse(words, global_flags(), true);
    if (!parsed || parsed->words().empty()) return false;
    const std::string& name = parsed->words().front();
    // davit's own exec names a process, not a container.
    const bool own =
        name == "exec" && std::find(words.begin(), words.end(), "--pid") != words.end();
    return !own && find_command(name) != nullptr;
}

int run_oci(const std::vector<std::string>& words) {
    fill_standard_streams();
    const Result<OciArguments> flags = OciArguments::parse(words, global_flags(), true);
    if (!flags) return tell({}, flags.error());
    if (const Result<void> done = set_log(*flags); !done) return tell(*flags, done.error());
    if (flags->value("rootless") == "true")
        return tell(*flags, Error(ErrorKind::Unsupported, "--rootless=true: davit needs root")
                                .help("run it as root"));
    OciGlobals globals;
    globals.root = flags->value("root", default_root());
    globals.systemd_cgroup =
        flags->has("systemd-cgroup") || flags->value("cgroup-manager") == "systemd";
    const OciWords rest(flags->words().begin() + 1, flags->words().end());
    const Result<int> status = find_command(flags->words().front())->run(globals, rest);
    return status ? *status : tell(*flags, status.error());
}

}  // namespace davit::runtime
