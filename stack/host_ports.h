#pragma once

#include "stack/allocate.h"

#include <optional>
#include <string>

/// Ports of the host that containers publish.
namespace davit::stack {

/// Whether the ports that a container asks for can be had, before anything is stopped for it. Those
/// that a container of this project publishes now are given up before they are taken again.
/// @errors Busy with the place in the file, naming the process or the project that has the port
Result<void> check_ports(const ChoiceRequest& request, const compose::DesiredContainer& container);

/// The ports of a container with a port of the host each: as the file says; the first free one of
/// a range; any free one. A container that is made anew keeps what it had, where the file allows.
/// @errors Busy where no port of a range is free
Result<std::vector<compose::Port>> choose_ports(const ChoiceRequest& request,
                                                const Choices& choices,
                                                const ContainerInputs& inputs);

/// Where `target`/`protocol` of a container is published: the ports with their host addresses, as
/// `docker port` tells them. Empty where it is not.
std::vector<compose::Port> published_ports(const ContainerRecord& record, std::uint16_t target,
                                           const std::string& protocol);

}  // namespace davit::stack
