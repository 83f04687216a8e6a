#include "cli/port_reach.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::cli {
namespace {

/// Ports that follow each other, here and in the container.
struct Run {
    compose::Port first = {};
    int length = 1;
};

bool follows(const Run& run, const compose::Port& port) {
    return run.first.host_ip == port.host_ip && run.first.protocol == port.protocol &&
           run.first.published + run.length == port.published &&
           run.first.target + run.length == port.target;
}

std::vector<Run> runs_of(std::vector<compose::Port> ports) {
    std::sort(ports.begin(), ports.end(), [](const compose::Port& one, const compose::Port& other) {
        return std::tie(one.protocol, one.host_ip, one.published) <
               std::tie(other.protocol, other.host_ip, other.published);
    });
    std::vector<Run> runs;
    for (const compose::Port& port : ports) {
        if (!runs.empty() && follows(runs.back(), port))
            ++runs.back().length;
        else
            runs.push_back({port, 1});
    }
    return runs;
}

bool is_loopback(const std::string& ip) { return ip.starts_with("127.") || ip == "::1"; }

bool is_any(const std::string& ip) { return ip.empty() || ip == "0.0.0.0" || ip == "::"; }

/// "http://localhost:8080, " for ports that browsers are for.
std::string address_of(const Run& run) {
    if (run.length > 1 || run.first.protocol != "tcp") return {};
    const std::uint16_t target = run.first.target;
    const char* scheme = nullptr;
    if (target == 80 || target == 8080) scheme = "http";
    if (target == 443 || target == 8443) scheme = "https";
    if (scheme == nullptr) return {};
    const std::string& ip = run.first.host_ip;
    std::string host = ip;
    if (is_any(ip) || is_loopback(ip)) host = "localhost";
    if (host.find(':') != std::string::npos) host = "[" + host + "]";
    return fmt::format("{}://{}:{}, ", scheme, host, run.first.published);
}

std::string reach_of(const std::string& ip) {
    if (is_loopback(ip)) return "from this host alone";
    if (is_any(ip)) return "from this host and other machines";
    return fmt::format("at {}, from this host and other machines", ip);
}

/// Whether the host has a way to the container: a bridge that isn't internal.
bool publishes(const stack::ContainerRecord& record) {
    return std::any_of(record.endpoints.begin(), record.endpoints.end(),
                       [](const stack::Endpoint& endpoint) {
                           return !endpoint.internal && !endpoint.host_link.empty();
                       });
}

}  // namespace

std::vector<std::string> port_reach(const stack::ContainerRecord& record) {
    std::vector<std::string> lines;
    if (record.ports.empty() || record.endpoints.empty()) return lines;
    const std::string name =
        record.number > 1 ? fmt::format("{}-{}", record.service, record.number) : record.service;
    if (!publishes(record)) {
        lines.push_back(
            fmt::format("{}: its ports are not published: it is on internal networks, "
                        "or on a link of the host, only",
                        name));
        return lines;
    }
    for (const Run& run : runs_of(record.ports)) {
        const int last = run.first.published + run.length - 1;
        const std::string range = run.length > 1 ? fmt::format("-{}", last) : "";
        lines.push_back(fmt::format("{} {}{}/{}: {}{}", name, run.first.published, range,
                                    run.first.protocol, address_of(run),
                                    reach_of(run.first.host_ip)));
    }
    return lines;
}

}  // namespace davit::cli
