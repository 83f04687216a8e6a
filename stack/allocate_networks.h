#pragma once

#include "stack/allocate.h"

/// The networks' part of choosing and of checking beforehand.
namespace davit::stack {

/// What can be found wrong with networks before anything is changed: external ones that are not
/// there, gateways and addresses outside of their subnets, addresses asked for twice.
/// @errors with the place in the file
Result<void> check_networks(const ChoiceRequest& request);

/// Chooses subnets and bridges for the networks that the plan makes, notes them in the run root,
/// and looks up those of others. Fills `choices.networks` and `choices.foreign`.
Result<void> choose_networks(const ChoiceRequest& request, Choices& choices);

/// Addresses, interfaces and links of one container, in the order in which they are joined.
/// @errors Busy where an address that the file asks for is taken, or none is left
Result<std::vector<Endpoint>> choose_endpoints(const ChoiceRequest& request, const Choices& choices,
                                               const ContainerInputs& inputs);

/// Chooses everything about a network that is to be made, its subnets too. Under the host's lock.
/// @errors Busy where a subnet is taken
Result<NetworkRecord> make_network(const Environment& environment, const std::string& project,
                                   const compose::DesiredNetwork& wanted);

/// A network of any project of this data root, by its name on this host. @errors NotFound
Result<NetworkRecord> find_network(const Paths& paths, const std::string& name);

}  // namespace davit::stack
