#include "tests/support/sandbox.h"

#include "base/file.h"
#include "base/strings.h"
#include "base/unique_fd.h"

#include <arpa/inet.h>
#include <chrono>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::testing {
namespace {

std::string file_text(const std::string& path) {
    const Result<std::string> text = read_file(path);
    return text ? *text : std::string();
}

/// Names of the links of this network namespace.
std::string links() {
    std::string names;
    for (const std::string& line : split(file_text("/proc/thread-self/net/dev"), '\n')) {
        const std::size_t colon = line.find(':');
        if (colon != std::string::npos) names += std::string(trim(line.substr(0, colon))) + "\n";
    }
    return names;
}

std::string listening_ports() {
    std::string ports;
    for (const char* table : {"tcp", "tcp6", "udp", "udp6"}) {
        for (const std::string& line :
             split(file_text(std::string("/proc/thread-self/net/") + table), '\n')) {
            // Without the columns that count and change.
            if (line.find(" 0A ") != std::string::npos || line.find(" 07 ") != std::string::npos)
                ports += fmt::format("{} {}\n", table, trim(line).substr(0, 60));
        }
    }
    return ports;
}

/// Processes that live and have `word` in their command line.
std::string processes(const std::string& word) {
    std::string found;
    const auto pids = list_directory("/proc");
    for (const std::string& pid : pids ? *pids : std::vector<std::string>()) {
        if (!parse_integer(pid)) continue;
        std::string line = file_text("/proc/" + pid + "/cmdline");
        for (char& c : line) c = c == '\0' ? ' ' : c;
        if (line.find(word) != std::string::npos && pid != fmt::format("{}", ::getpid()))
            found += pid + " " + line + "\n";
    }
    return found;
}

std::string cgroups(const std::string& project) {
    std::string found;
    const std::string mounts = file_text("/proc/self/mountinfo");
    for (const std::string& line : split(mounts, '\n')) {
        if (line.find(" - cgroup") == std::string::npos) continue;
        const std::string folder = split(line, ' ').at(4) + "/davit/" + project;
        if (exists(folder)) found += folder + "\n";
    }
    return found;
}

/// Rules without the table that some guard keeps as long as it lives, and that the kernel takes
/// away with it: which one, and since when, is nobody's business.
std::string without_fence(std::string rules) {
    const std::size_t begin = rules.find("table inet davit_fence");
    if (begin == std::string::npos) return rules;
    const std::size_t end = rules.find("\n}\n", begin);
    return rules.erase(begin, end == std::string::npos ? end : end + 3 - begin);
}

}  // namespace

Sandbox::Sandbox(std::string project) : project_(std::move(project)) {
    REQUIRE(make_directories(folder(), 0755).ok());
}

Sandbox::~Sandbox() {
    const Outcome down = davit({"-p", project_, "down", "-v", "-t", "0"});
    if (down.status != 0) MESSAGE("the sandbox could not be taken down: ", down.out, down.err);
}

Command Sandbox::davit_command(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), DAVIT_PROGRAM);
    return {.argv = std::move(arguments),
            .folder = folder(),
            .environment = {"DAVIT_RUN_ROOT=" + run_root(), "DAVIT_DATA_ROOT=" + data_root(),
                            "NO_COLOR=1"}};
}

Outcome Sandbox::davit(std::vector<std::string> arguments) const {
    return run(davit_command(std::move(arguments)));
}

std::string Sandbox::davit_ok(std::vector<std::string> arguments) const {
    const std::string shown = fmt::format("{}", fmt::join(arguments, " "));
    const Outcome outcome = davit(std::move(arguments));
    REQUIRE_MESSAGE(outcome.status == 0, "davit ", shown, ": ", outcome.status, "\n", outcome.out,
                    outcome.err);
    return outcome.out;
}

void Sandbox::compose(const std::string& services) const {
    write("compose.yaml", "name: " + project_ + "\n" + services);
}

void Sandbox::write(const std::string& name, const std::string& text) const {
    REQUIRE(write_in_place(folder() + "/" + name, text, 0644).ok());
}

void Sandbox::load_busybox() const {
    const std::string root = dir_ / "rootfs";
    for (const char* name : {"/bin", "/etc", "/tmp", "/www"})
        REQUIRE(make_directories(root + name, 0755).ok());
    REQUIRE(run({.argv = {"cp", "/bin/busybox", root + "/bin/"}}).status == 0);
    for (const std::string& name : split(run({.argv = {"/bin/busybox", "--list"}}).out, '\n')) {
        if (!name.empty() && name != "busybox")
            REQUIRE(::symlink("busybox", (root + "/bin/" + name).c_str()) == 0);
    }
    REQUIRE(write_in_place(root + "/etc/passwd",
                           "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
                           0644)
                .ok());
    REQUIRE(
        write_in_place(root + "/etc/group", "root:x:0:\napp:x:1000:\nextra:x:50:app\n", 0644).ok());
    // As a hostile image would bring it: the node of a device, outside of /dev.
    REQUIRE(run({.argv = {"mknod", "-m", "666", root + "/null-node", "c", "1", "3"}}).status == 0);
    const std::string tar = dir_ / "rootfs.tar";
    REQUIRE(run({.argv = {"tar", "--owner=0", "--group=0", "-C", root, "-cf", tar, "."}}).status ==
            0);
    davit_ok({"import", "-c", "CMD [\"sh\"]", tar, "local/busybox:1"});
}

std::string Sandbox::world() const {
    const std::string own = dir_.path();
    std::string text = "links:\n" + links();
    text += "rules:\n" + without_fence(run({.argv = {"nft", "list", "ruleset"}}).out);
    text += "mounts:\n" + file_text("/proc/self/mountinfo");
    text += "cgroups:\n" + cgroups(project_);
    // Guards have the run root in their command line.
    text += "processes:\n" + processes(own);
    text += "ports:\n" + listening_ports();
    // The lock of whoever keeps the fence comes some milliseconds after the first guard, and goes
    // with the run root.
    text += "run root:\n" + run({.argv = {"find", run_root(), "!", "-name", "fence.lock"}}).out;
    text += "projects:\n" + run({.argv = {"find", data_root() + "/projects"}}).out;
    return text;
}

std::string Sandbox::inspect(const std::string& container, const std::string& format) const {
    return std::string(trim(davit_ok({"inspect", "-f", format, container})));
}

std::string http_get(const std::string& ip, int port, const std::string& path) {
    const bool v6 = ip.find(':') != std::string::npos;
    const UniqueFd fd(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit{2, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_in v4_address{};
    v4_address.sin_family = AF_INET;
    v4_address.sin_port = htons(static_cast<std::uint16_t>(port));
    sockaddr_in6 v6_address{};
    v6_address.sin6_family = AF_INET6;
    v6_address.sin6_port = v4_address.sin_port;
    ::inet_pton(AF_INET, ip.c_str(), &v4_address.sin_addr);
    ::inet_pton(AF_INET6, ip.c_str(), &v6_address.sin6_addr);
    const auto* address = v6 ? reinterpret_cast<const sockaddr*>(&v6_address)
                             : reinterpret_cast<const sockaddr*>(&v4_address);
    if (::connect(fd.get(), address, v6 ? sizeof v6_address : sizeof v4_address) == -1) return {};
    const std::string request = "GET " + path + " HTTP/1.0\r\nHost: test\r\n\r\n";
    if (!write_all(fd, request)) return {};
    std::string answer;
    char buffer[4096];
    for (;;) {
        const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
        if (got <= 0) return answer;
        answer.append(buffer, static_cast<std::size_t>(got));
    }
}

bool eventually(const std::function<bool()>& holds) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point end = Clock::now() + std::chrono::seconds(10);
    while (!holds()) {
        if (Clock::now() > end) return false;
        ::poll(nullptr, 0, 20);
    }
    return true;
}

}  // namespace davit::testing
