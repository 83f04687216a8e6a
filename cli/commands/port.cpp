#include "base/strings.h"
#include "cli/commands/life.h"
#include "cli/exit_code.h"
#include "cli/selection.h"

#include <CLI/CLI.hpp>

namespace davit::cli {
namespace {

/// "53/udp" says the protocol itself.
Result<std::pair<int, std::string>> parse_port(const PortFlags& flags) {
    std::string number = flags.port;
    std::string protocol = flags.protocol;
    if (const std::size_t slash = number.find('/'); slash != std::string::npos) {
        protocol = number.substr(slash + 1);
        number.resize(slash);
    }
    const auto port = parse_integer(number);
    if (!port || *port < 1 || *port > 65535)
        return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not a port", flags.port))
            .help("write the port inside the container, such as 80");
    return std::pair(static_cast<int>(*port), protocol);
}

std::string host_side(const compose::Port& port) {
    return fmt::format("{}:{}", port.host_ip.empty() ? "0.0.0.0" : port.host_ip, port.published);
}

/// Without a port, as `docker port` has it: all that are published.
std::string all_ports(const stack::ContainerView& view) {
    std::string lines;
    if (view.state.pid == 0) return lines;
    for (const compose::Port& port : view.record.ports)
        if (port.published != 0)
            lines += fmt::format("{}/{} -> {}\n", port.target, port.protocol, host_side(port));
    return lines;
}

}  // namespace

void declare(CLI::App& command, PortFlags& flags) {
    command.add_option("--protocol", flags.protocol, "tcp or udp");
    command.add_option("--index", flags.index, "Which container of the service")
        ->check(CLI::PositiveNumber);
    command.add_option("SERVICE", flags.service, "Service")->required();
    command.add_option("PRIVATE_PORT", flags.port, "Port inside the container; all without");
}

Result<int> run(const Context& context, const PortFlags& flags) {
    const TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    const stack::ContainerView view = TRY(one_container(*found.target, flags.service, flags.index));
    if (flags.port.empty()) {
        to_stdout(all_ports(view));
        return kOk;
    }
    const auto [port, protocol] = TRY(parse_port(flags));
    std::string others;
    if (view.state.pid != 0) {
        std::string lines;
        for (const compose::Port& known : view.record.ports) {
            if (known.target == port && known.protocol == protocol)
                lines += host_side(known) + "\n";
            others +=
                fmt::format("{}{}/{}", others.empty() ? "" : ", ", known.target, known.protocol);
        }
        to_stdout(lines);
        if (!lines.empty()) return kOk;
    }
    return Error(ErrorKind::NotFound, fmt::format("no port {}/{} for container {}: {}", port,
                                                  protocol, view.record.name, others));
}

}  // namespace davit::cli
