#include "base/strings.h"
#include "base/sys.h"
#include "base/unique_fd.h"
#include "runtime/clone.h"
#include "runtime/oci_commands.h"
#include "runtime/oci_store.h"
#include "runtime/program.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

std::string command_of(pid_t pid) {
    const Result<std::string> text = read_file(fmt::format("/proc/{}/cmdline", pid));
    if (!text) return {};
    std::string words = *text;
    for (char& c : words) c = c == '\0' ? ' ' : c;
    return printable(trim(words));
}

std::string user_of(pid_t pid) {
    const Result<std::string> text = read_file(fmt::format("/proc/{}/status", pid));
    if (!text) return "?";
    for (const std::string& line : split(*text, '\n')) {
        if (line.starts_with("Uid:")) return split(line, '\t').at(1);
    }
    return "?";
}

/// What ps(1) prints with these options.
Result<std::string> output_of_ps(std::vector<std::string> words) {
    words.insert(words.begin(), "ps");
    const std::vector<char*> argv = exec_pointers(words);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == -1) return Error::from_errno(errno, "pipe2(2)");
    const UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    const pid_t pid = clone_process({.exit_signal = SIGCHLD});
    if (pid == -1) return Error::from_errno(errno, "clone3(2)");
    if (pid == 0) {
        ::dup2(write_end.get(), STDOUT_FILENO);
        for (const char* program : {"/usr/bin/ps", "/bin/ps"})
            ::execve(program, argv.data(), environ);
        ::_exit(127);
    }
    write_end.reset();
    std::string text;
    char buffer[4096];
    for (;;) {
        const ssize_t got =
            sys::retry_on_eintr([&] { return ::read(read_end.get(), buffer, sizeof buffer); });
        if (got <= 0) break;
        text.append(buffer, static_cast<std::size_t>(got));
    }
    int status = 0;
    sys::retry_on_eintr([&] { return ::waitpid(pid, &status, 0); });
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return text;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return Error(ErrorKind::NotFound, "ps(1) is not there").help("install procps");
    return Error(ErrorKind::InvalidInput, "ps(1) does not take these options");
}

std::vector<std::string> words_of(const std::string& line) {
    std::vector<std::string> words = split(line, ' ');
    std::erase_if(words, [](const std::string& word) { return word.empty(); });
    return words;
}

/// The lines of `text` that are about one of `pids`, and the heading.
Result<std::string> only_processes(const std::string& text, const std::vector<pid_t>& pids) {
    const std::vector<std::string> lines = split(text, '\n');
    const std::vector<std::string> heading = words_of(lines.front());
    const auto column = std::find(heading.begin(), heading.end(), "PID");
    if (column == heading.end())
        return Error(ErrorKind::InvalidInput, "ps(1) prints no PID with these options")
            .help("take the column pid in");
    const auto at = static_cast<std::size_t>(column - heading.begin());
    std::string kept = lines.front() + "\n";
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const std::vector<std::string> words = words_of(lines[i]);
        if (words.size() <= at) continue;
        const auto pid = parse_integer(words[at]);
        if (pid && std::find(pids.begin(), pids.end(), static_cast<pid_t>(*pid)) != pids.end())
            kept += lines[i] + "\n";
    }
    return kept;
}

}  // namespace

Result<int> oci_ps(const OciGlobals& globals, const OciWords& words) {
    const OciArguments arguments = TRY(OciArguments::parse(words, {{"format", 'f'}}, true));
    if (arguments.words().empty())
        return Error(ErrorKind::InvalidInput, "ps takes a container id, and options of ps(1)");
    const OciContainer container = TRY(OciContainer::load(globals.root, arguments.words()[0]));
    const Cgroup cgroup = TRY(container.cgroup());
    const std::vector<pid_t> pids = cgroup.processes();
    std::vector<std::string> options(arguments.words().begin() + 1, arguments.words().end());
    // runc takes its own flag behind the id as well.
    std::string format = arguments.value("format");
    if (options.size() == 2 && (options[0] == "--format" || options[0] == "-f")) {
        format = options[1];
        options.clear();
    }
    if (format == "json") {
        print(Json(pids).dump() + "\n");
        return 0;
    }
    if (!options.empty()) {
        const std::string text = TRY(output_of_ps(std::move(options)));
        print(TRY(only_processes(text, pids)));
        return 0;
    }
    std::string text = fmt::format("{:<12} {:<8} {}\n", "UID", "PID", "CMD");
    for (const pid_t pid : pids)
        text += fmt::format("{:<12} {:<8} {}\n", user_of(pid), pid, command_of(pid));
    print(text);
    return 0;
}

}  // namespace davit::runtime
