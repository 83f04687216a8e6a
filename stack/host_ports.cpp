#include "stack/host_ports.h"

#include "runtime/relay.h"
#include "stack/claims.h"

#include <algorithm>

namespace davit::stack {
namespace {

using compose::Port;

runtime::ListenPort listen_port(const Port& port, std::uint16_t published) {
    runtime::ListenPort listen;
    listen.protocol = port.protocol;
    listen.host_ip = port.host_ip;
    listen.host_port = published;
    listen.target_port = port.target;
    return listen;
}

/// Whether any container in `containers` publishes the port now.
template <typename Containers>
bool is_among(const Containers& containers, const Port& port, std::uint16_t published) {
    return std::any_of(containers.begin(), containers.end(), [&](const auto& entry) {
        const auto& ports = entry.second.ports;
        return std::any_of(ports.begin(), ports.end(), [&](const Port& held) {
            return held.published == published && held.protocol == port.protocol;
        });
    });
}

bool allows(const Port& wanted, std::uint16_t published) {
    if (wanted.published == 0) return published != 0;
    return published >= wanted.published &&
           published <= std::max(wanted.published, wanted.published_last);
}

/// What the container had before it was made anew; 0 where that is nothing, or no longer allowed.
std::uint16_t former_port(const ChoiceRequest& request, const std::string& container,
                          const Port& wanted, const std::vector<Port>& chosen) {
    const auto old = request.seen->containers.find(container);
    if (old == request.seen->containers.end()) return 0;
    for (const Port& port : old->second.ports) {
        const bool again = std::any_of(chosen.begin(), chosen.end(), [&](const Port& other) {
            return other.published == port.published && other.protocol == port.protocol;
        });
        if (port.target == wanted.target && port.protocol == wanted.protocol &&
            port.host_ip == wanted.host_ip && allows(wanted, port.published) && !again)
            return port.published;
    }
    return 0;
}

/// Says who has the port, where that is a container of davit: its guard is what holds the socket.
Error explain(const ChoiceRequest& request, const Port& port, Error error) {
    if (error.kind() != ErrorKind::Busy) return error;
    network::RulePort rule;
    rule.protocol = port.protocol;
    rule.host_port = port.published;
    if (const Result<network::Ip> ip = network::parse_ip(port.host_ip); ip && ip->value != 0)
        rule.host_ip = *ip;
    const Result<std::string> holder = holder_of_port(request.environment->paths, rule);
    if (!holder || holder->empty()) return error;
    const std::size_t slash = holder->find('/');
    return Error(ErrorKind::Busy,
                 fmt::format("port {}/{} is published by container '{}' of project '{}'",
                             port.published, port.protocol, holder->substr(slash + 1),
                             holder->substr(0, slash)))
        .help("take that project down, or publish another port");
}

/// Those that go, with their ports, before anything is made.
std::map<std::string, ContainerRecord> leaving(const ChoiceRequest& request) {
    std::map<std::string, ContainerRecord> containers;
    for (const compose::Step& step : request.plan->steps) {
        const auto found = request.seen->containers.find(step.resource.name);
        if (step.kind == compose::StepKind::RemoveContainer &&
            found != request.seen->containers.end())
            containers.insert(*found);
    }
    return containers;
}

Result<void> check_port(const ChoiceRequest& request, const Port& port) {
    const std::map<std::string, ContainerRecord> going = leaving(request);
    const std::uint16_t last = std::max(port.published, port.published_last);
    Result<void> problem;
    for (unsigned published = port.published; published <= last; ++published) {
        const auto number = static_cast<std::uint16_t>(published);
        if (is_among(going, port, number)) return {};
        const Result<std::vector<UniqueFd>> free = runtime::bind_port(listen_port(port, number));
        if (free) return {};
        Port one = port;
        one.published = number;
        problem = explain(request, one, free.error());
    }
    if (last == port.published) return problem;
    return Error(ErrorKind::Busy, fmt::format("no port from {} to {}/{} is free", port.published,
                                              last, port.protocol))
        .help("name a wider range");
}

/// Where ports that name no address are published: what the network says that they lead through.
/// @source docker, com.docker.network.bridge.host_binding_ipv4
std::string usual_address(const Choices& choices, const ContainerInputs& inputs) {
    for (const Endpoint& endpoint : inputs.endpoints) {
        if (!endpoint.default4) continue;
        const auto network = choices.networks.find(endpoint.network);
        if (network != choices.networks.end()) return network->second.host_binding;
    }
    return {};
}

}  // namespace

Result<void> check_ports(const ChoiceRequest& request, const compose::DesiredContainer& container) {
    for (std::size_t i = 0; i < container.config.ports.size(); ++i) {
        const Port& port = container.config.ports[i];
        if (port.published == 0) continue;
        Result<void> checked = check_port(request, port);
        if (checked) continue;
        return std::move(checked)
            .error()
            .doing("publish a port of service '{}'", container.service)
            .at(request.loaded->places.find(
                fmt::format("services.{}.ports[{}]", container.service, i)));
    }
    return {};
}

Result<std::vector<Port>> choose_ports(const ChoiceRequest& request, const Choices& choices,
                                       const ContainerInputs& inputs) {
    std::vector<Port> chosen;
    const auto is_free = [&](const Port& port, std::uint16_t published) {
        const bool mine = std::any_of(chosen.begin(), chosen.end(), [&](const Port& other) {
            return other.published == published && other.protocol == port.protocol;
        });
        return !mine && !is_among(choices.containers, port, published) &&
               !is_among(request.seen->containers, port, published) &&
               runtime::bind_port(listen_port(port, published)).ok();
    };
    const std::string usual = usual_address(choices, inputs);
    for (Port port : inputs.wanted->config.ports) {
        if (port.host_ip.empty()) port.host_ip = usual;
        const Port wanted = port;
        const bool fixed = wanted.published != 0 && wanted.published_last == 0;
        port.published_last = 0;
        if (!fixed) port.published = former_port(request, inputs.name, wanted, chosen);
        constexpr int kTries = 64;
        for (int i = 0; port.published == 0 && wanted.published == 0 && i < kTries; ++i) {
            const std::uint16_t any = TRY(runtime::free_port(port.host_ip, port.protocol));
            if (is_free(port, any)) port.published = any;
        }
        for (unsigned number = wanted.published;
             port.published == 0 && wanted.published != 0 && number <= wanted.published_last;
             ++number) {
            if (is_free(port, static_cast<std::uint16_t>(number)))
                port.published = static_cast<std::uint16_t>(number);
        }
        if (port.published == 0)
            return Error(ErrorKind::Busy, fmt::format("no port of the host is free for port {}/{}",
                                                      port.target, port.protocol))
                .help("name a wider range");
        chosen.push_back(std::move(port));
    }
    return chosen;
}

std::vector<Port> published_ports(const ContainerRecord& record, std::uint16_t target,
                                  const std::string& protocol) {
    std::vector<Port> found;
    for (const Port& port : record.ports)
        if (port.target == target && port.protocol == protocol) found.push_back(port);
    return found;
}

}  // namespace davit::stack
