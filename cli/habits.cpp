#include "cli/habits.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace davit::cli {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

constexpr std::string_view kOneHost = "davit acts on this host alone: there is nothing to join";
constexpr std::string_view kInFile = "it stands in the compose file, and 'davit up' makes it";

constexpr Pair kInstead[] = {
    {"info", "'davit version' says what the kernel offers, 'davit doctor' what is amiss"},
    {"context", kOneHost},
    {"swarm", kOneHost},
    {"node", kOneHost},
    {"stack", "'davit up -d' brings the stack of a compose file up"},
    {"service", kInFile},
    {"secret", kInFile},
    {"search", "davit searches no registry; 'davit pull NAME' brings an image"},
    {"daemon", "there is none: every command does its work itself"},
    {"plugin", "davit has no plug-ins"},
    {"docker", "leave the word out: davit takes what stands behind it"},
    {"container", "leave the word out: 'davit ps', 'davit logs', 'davit rm' and the like"},
    {"buildx", "'davit build' builds"},
};

constexpr Pair kRunFlags[] = {
    {"--network", "networks"},
    {"--net", "networks"},
    {"-m", "mem_limit"},
    {"--memory", "mem_limit"},
    {"--cpus", "cpus"},
    {"--pids-limit", "pids_limit"},
    {"--hostname", "hostname"},
    {"--privileged", "privileged"},
    {"--init", "init"},
    {"--read-only", "read_only"},
    {"--tmpfs", "tmpfs"},
    {"--mount", "volumes"},
    {"--add-host", "extra_hosts"},
    {"--dns", "dns"},
    {"--device", "devices"},
    {"--gpus", "gpus"},
    {"--ulimit", "ulimits"},
    {"--shm-size", "shm_size"},
    {"--sysctl", "sysctls"},
    {"--security-opt", "security_opt"},
    {"--log-driver", "logging"},
    {"--log-opt", "logging"},
    {"--health-cmd", "healthcheck"},
    {"--stop-signal", "stop_signal"},
    {"--stop-timeout", "stop_grace_period"},
    {"--network-alias", "networks"},
    {"--pid", "pid"},
    {"--ipc", "ipc"},
    {"--expose", "expose"},
    {"--link", "links"},
    {"--ip", "networks"},
    {"--mac-address", "mac_address"},
};

constexpr std::array kOfContainers = {"attach",  "commit",  "cp",      "create", "exec",  "export",
                                      "inspect", "kill",    "logs",    "ls",     "pause", "port",
                                      "ps",      "restart", "rm",      "run",    "start", "stats",
                                      "stop",    "top",     "unpause", "wait",   "list"};

template <typename Rows>
std::optional<std::string> look_up(const Rows& rows, std::string_view word) {
    for (const auto& [name, answer] : rows)
        if (name == word) return std::string(answer);
    return std::nullopt;
}

bool is_of_containers(const std::string& word) {
    return std::find(kOfContainers.begin(), kOfContainers.end(), word) != kOfContainers.end();
}

/// "-f" is the compose file; what has the form of a filter can be none, as no such file is called.
void name_filters(std::vector<std::string>& words) {
    for (std::size_t i = 1; i + 1 < words.size(); ++i)
        if (words[i] == "-f" && words[i + 1].find('=') != std::string::npos &&
            words[i + 1].find('/') == std::string::npos)
            words[i] = "--filter";
}

}  // namespace

std::vector<std::string> without_habits(std::vector<std::string> words) {
    const auto second = [&](std::string_view word) { return words.size() > 1 && words[1] == word; };
    if (words.empty()) return words;
    if (words[0] == "compose" || (words[0] == "buildx" && second("build")))
        words.erase(words.begin());
    if (words.empty()) return words;
    if (words[0] == "container" && words.size() > 1 && is_of_containers(words[1])) {
        words.erase(words.begin());
        if (words[0] == "ls" || words[0] == "list") words[0] = "ps";
    }
    if (words[0] == "image" && second("build")) words.erase(words.begin());
    if (words[0] == "system" && second("info")) words.erase(words.begin());
    if (words[0] == "volume" || words[0] == "network" || words[0] == "image") {
        if (second("list")) words[1] = "ls";
        if (second("remove")) words[1] = "rm";
    }
    if (words[0] == "ps") name_filters(words);
    return words;
}

std::optional<std::string> instead_of_command(std::string_view command) {
    return look_up(kInstead, command);
}

std::optional<std::string> attribute_of_run_flag(std::string_view flag) {
    return look_up(kRunFlags, flag);
}

}  // namespace davit::cli
