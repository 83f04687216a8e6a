#include "base/log.h"
#include "base/strings.h"
#include "runtime/exec.h"
#include "runtime/guard.h"
#include "runtime/init.h"
#include "runtime/log_compress.h"
#include "runtime/oci_main.h"

#include <algorithm>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace {

constexpr std::string_view kUsage =
    "usage: davit-runtime guard --bundle DIR --run-dir DIR [--adopt | --renew]\n"
    "       davit-runtime exec --bundle DIR --pid PID --process FILE [--terminal] [--privileged]\n"
    "                          [--detach] [--part NAME]\n"
    "       davit-runtime [--root DIR] [--log FILE] [--log-format text|json] COMMAND …\n"
    "         create, start, run, state, kill, delete, exec, ps, pause, resume, update, events,\n"
    "         list, spec, features: as every OCI runtime has them\n"
    "       davit-runtime compress-log FILE\n"
    "       davit-runtime init -- PROGRAM [ARGUMENT…]\n"
    "       davit-runtime --version\n"
    "\n"
    "The guard is started by davit, with a socket to it on descriptor 3\n"
    "and its lock on the run folder on descriptor 4.\n";

int usage_error() {
    (void)!::write(STDERR_FILENO, kUsage.data(), kUsage.size());
    return 64;  // EX_USAGE
}

int guard_main(int argc, char** argv) {
    davit::runtime::GuardOptions options;
    for (int i = 2; i < argc; ++i) {
        const std::string_view flag = argv[i];
        if (flag == "--adopt") {
            options.adopt = true;
        } else if (flag == "--renew") {
            options.adopt = options.renew = true;
        } else if (i + 1 == argc) {
            return usage_error();
        } else if (flag == "--bundle") {
            options.bundle = argv[++i];
        } else if (flag == "--run-dir") {
            options.run_dir = argv[++i];
        } else {
            return usage_error();
        }
    }
    if (options.bundle.empty() || options.run_dir.empty()) return usage_error();
    if (!options.renew) {
        if (::fcntl(3, F_SETFD, FD_CLOEXEC) == -1) return usage_error();
        options.launcher.reset(3);
        if (::fcntl(4, F_SETFD, FD_CLOEXEC) == 0) options.launch_lock.reset(4);
    }
    (void)davit::log::configure(
        {.level = davit::log::Level::Warn, .file = options.run_dir + "/guard.log"});
    return davit::runtime::run_guard(std::move(options));
}

int exec_main(int argc, char** argv) {
    davit::runtime::ExecOptions options;
    options.may_reexecute = true;
    for (int i = 2; i < argc; ++i) {
        const std::string_view flag = argv[i];
        const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
        if (flag == "--terminal") {
            options.terminal = true;
        } else if (flag == "--privileged") {
            options.privileged = true;
        } else if (flag == "--detach") {
            options.detach = true;
        } else if (value == nullptr) {
            return usage_error();
        } else if (flag == "--bundle") {
            options.bundle = argv[++i];
        } else if (flag == "--process") {
            options.process = argv[++i];
        } else if (flag == "--part") {
            options.part = argv[++i];
        } else if (flag == "--pid") {
            options.pid = static_cast<pid_t>(davit::parse_integer(argv[++i]).value_or(0));
        } else {
            return usage_error();
        }
    }
    if (options.bundle.empty() || options.process.empty() || options.pid <= 0) return usage_error();
    const davit::Result<int> status = davit::runtime::exec_in_container(options);
    if (status) return *status;
    std::string text = "error: " + status.error().to_string() + "\n";
    if (!status.error().help().empty()) text += "  help: " + status.error().help() + "\n";
    (void)!::write(STDERR_FILENO, text.data(), text.size());
    return 126;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view command = argc > 1 ? argv[1] : "";
    if (command == "guard") return guard_main(argc, argv);
    const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
    if (davit::runtime::is_oci_call(words)) return davit::runtime::run_oci(words);
    if (command == "exec") return exec_main(argc, argv);
    // Beside a guard; nobody reads what it would say.
    if (command == "compress-log" && argc == 3)
        return davit::runtime::compress_log(argv[2]) ? 0 : 1;
    // In a container, where it is called /dev/init.
    if (command == "init" && argc > 3 && std::string_view(argv[2]) == "--")
        return davit::runtime::run_init_process(argv + 3);
    if (command == "--version" || command == "-v") {
        constexpr std::string_view kVersion = "davit-runtime " DAVIT_VERSION "\n";
        return ::write(STDOUT_FILENO, kVersion.data(), kVersion.size()) > 0 ? 0 : 1;
    }
    return usage_error();
}
