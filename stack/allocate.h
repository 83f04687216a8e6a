#pragma once

#include "compose/loader.h"
#include "image/store.h"
#include "network/address.h"
#include "stack/lower.h"
#include "stack/observe.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace davit::stack {

/// Everything that is chosen on this host for the containers and networks that a plan makes.
struct Choices {
    std::map<std::string, NetworkRecord> networks = {};         ///< New, old and external.
    std::map<std::string, std::set<network::Ip>> foreign = {};  ///< Other projects', by bridge.
    std::map<std::string, ContainerInputs> containers = {};     ///< The ones to make.
    std::map<std::string, ContainerRecord> records = {};        ///< Of those.
    std::map<std::string, image::Image> images = {};  ///< By reference; `containers` point here.
    std::vector<std::string> warnings = {};
};

struct ChoiceRequest {
    const Environment* environment = nullptr;
    const compose::LoadedProject* loaded = nullptr;
    const compose::DesiredState* desired = nullptr;
    const Observation* seen = nullptr;
    const compose::Plan* plan = nullptr;
    std::set<std::string> to_bring = {};  ///< Images that may be missing, since they are pulled.
    bool will_build = false;  ///< Missing images of services with `build` are no mistake.
};

/// What can be found wrong before anything is changed: missing images, bind sources that may not be
/// made, host ports that somebody has.
/// @errors with the place in the file
Result<void> check_beforehand(const ChoiceRequest& request);

/// First id of a range that is not among `used`, spread by `id` (hex digits).
/// @errors Busy where there is none
Result<std::uint32_t> choose_ids(const std::set<std::uint32_t>& used, const std::string& id);

/// Chooses subnets, addresses, id ranges and host ports for what the plan makes, and notes them in
/// the run root, so that no other davit gives them out again. Call with the host lock held.
Result<Choices> choose(const ChoiceRequest& request);

}  // namespace davit::stack
