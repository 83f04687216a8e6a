#include "compose/planner.h"

#include "compose/dependency_order.h"
#include "compose/tear_down.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <set>

// Decides first (what takes part, which networks are made anew, which containers leave), then adds
// the steps in the order in which they may run: containers leave, networks, volumes, containers
// come.
namespace davit::compose {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

class UpPlanner {
public:
    UpPlanner(const DesiredState& desired, const ObservedState& observed, const UpOptions& options,
              const SourceMap& places)
        : desired_(desired), observed_(observed), options_(options), places_(places) {
        services_ = desired.services;
        for (const auto& [name, container] : desired.containers)
            if (!container.one_off) services_.insert(container.service);
    }

    Plan run() && {
        select();
        sort_observed();
        decide_networks();
        decide_containers();
        gone_ = add_tear_down(plan_, observed_, leaving_);
        add_networks();
        add_volumes();
        add_containers();
        return std::move(plan_);
    }

private:
    void take_in(std::vector<std::string> names);
    void select();
    void sort_observed();
    void decide_networks();
    void decide_network(const std::string& name, const ObservedNetwork& found);
    void decide_containers();
    void take_in_those_on(const std::string& network, bool running_only);
    std::optional<std::string> network_cause(const ObservedContainer& found) const;
    std::string why_misnamed(const ObservedContainer& found) const;
    void follow_restarts();
    bool follow(const std::string& name, const ObservedContainer& found);
    bool is_new(const std::string& name) const;
    std::optional<StepId> await(const Gate& gate, const DesiredContainer& wanted);
    bool is_awaited(const std::string& name) const;
    std::optional<std::string> recreate_cause(const DesiredContainer& wanted,
                                              const ObservedContainer& found) const;
    void add_networks();
    void add_volumes();
    void add_containers();
    void add_container(const std::string& name, const DesiredContainer& wanted);
    std::vector<StepId> before_create(const std::string& name,
                                      const DesiredContainer& wanted) const;
    std::vector<StepId> before_start(const std::string& name, const DesiredContainer& wanted);

    const ObservedContainer* find_observed(const std::string& name) const {
        const auto found = observed_.containers.find(name);
        return found == observed_.containers.end() ? nullptr : &found->second;
    }
    std::string place_of(const std::string& service) const {
        return to_string(places_.find("services." + service));
    }

    const DesiredState& desired_;
    const ObservedState& observed_;
    const UpOptions& options_;
    const SourceMap& places_;
    Plan plan_;

    std::set<std::string> services_;    ///< All that the file has.
    std::set<std::string> selected_;    ///< Containers that take part.
    std::set<std::string> bystanders_;  ///< Containers of services that take no part now.
    std::set<std::string> orphans_;     ///< Containers of services that the file doesn't have.
    std::set<std::string> unfinished_;  ///< Half made, and of no service that would finish them.
    std::set<std::string> misnamed_;    ///< Of a service whose container has another name now.
    std::set<std::string> networks_;    ///< Those of the selected containers.
    std::map<std::string, std::string> renewed_networks_;  ///< Name, and why it is made (again).
    std::set<std::string> changed_networks_;  ///< Of these, those that must be removed first.
    std::map<std::string, Leaving> leaving_;

    LastSteps gone_;
    std::map<std::string, StepId> network_ready_;
    std::map<std::string, StepId> volume_ready_;
    std::map<std::string, StepId> started_;
    std::map<std::pair<std::string, Awaited>, StepId> awaited_;
};

/// The containers, and step by step those that they need.
void UpPlanner::take_in(std::vector<std::string> names) {
    while (!names.empty()) {
        const std::string name = std::move(names.back());
        names.pop_back();
        const auto wanted = desired_.containers.find(name);
        if (wanted == desired_.containers.end() || !selected_.insert(name).second) continue;
        if (options_.no_deps) continue;
        for (const std::string& need : wanted->second.needs) names.push_back(need);
    }
}

void UpPlanner::select() {
    std::vector<std::string> asked_for;
    for (const auto& [name, container] : desired_.containers) {
        if (options_.services.empty() || contains(options_.services, container.service))
            asked_for.push_back(name);
    }
    take_in(std::move(asked_for));
    for (const std::string& service : options_.services) {
        if (!services_.contains(service))
            plan_.warnings.push_back(fmt::format("there is no service '{}'", service));
    }
}

void UpPlanner::sort_observed() {
    for (const auto& [name, container] : observed_.containers) {
        if (desired_.containers.contains(name)) continue;
        // Of a service it would be made anew, or be an orphan.
        if (container.half_made && (container.service.empty() || container.one_off)) {
            if (options_.remove_unfinished) unfinished_.insert(name);
            continue;
        }
        // Those of `run` are nobody's business but the user's.
        if (container.one_off) continue;
        if (services_.contains(container.service))
            misnamed_.insert(name);
        else if (contains(desired_.inactive, container.service))
            bystanders_.insert(name);
        else
            orphans_.insert(name);
    }
    if (!orphans_.empty() && !options_.remove_orphans && !options_.ignore_orphans)
        plan_.warnings.push_back(fmt::format(
            "found orphan containers ([{}]) for this project; if you removed or renamed this "
            "service in your compose file, you can run this command with the --remove-orphans flag "
            "to clean it up",
            fmt::join(orphans_, " ")));
}

/// Deciding on one network may make more containers take part, and so more networks.
void UpPlanner::decide_networks() {
    for (bool again = true; again;) {
        again = false;
        const std::set<std::string> selected = selected_;
        for (const std::string& container : selected) {
            for (const std::string& name : desired_.containers.at(container).networks) {
                if (!networks_.insert(name).second) continue;
                again = true;
                const auto found = observed_.networks.find(name);
                if (found == observed_.networks.end())
                    renewed_networks_[name] = "not there yet";
                else
                    decide_network(name, found->second);
            }
        }
    }
}

/// What is on a network that is made anew takes part, asked for or not.
void UpPlanner::take_in_those_on(const std::string& network, bool running_only) {
    std::vector<std::string> names;
    for (const auto& [name, found] : observed_.containers) {
        if (contains(found.networks, network) && (found.running || !running_only))
            names.push_back(name);
    }
    take_in(std::move(names));
}

void UpPlanner::decide_network(const std::string& name, const ObservedNetwork& found) {
    const auto make_bridge_again = [&] {
        if (found.in_kernel) return;
        renewed_networks_[name] = "its bridge is gone, as after a reboot";
        take_in_those_on(name, true);
    };
    if (desired_.networks.at(name).config_hash == found.config_hash) return make_bridge_again();
    std::vector<std::string> in_the_way;
    for (const std::string& bystander : bystanders_) {
        if (contains(observed_.containers.at(bystander).networks, name))
            in_the_way.push_back(bystander);
    }
    if (!in_the_way.empty()) {
        plan_.warnings.push_back(fmt::format(
            "network '{}' differs from the file and stays as it is, because containers of services "
            "whose profiles are not active ([{}]) are on it; activate them with --profile to make "
            "it anew",
            name, fmt::join(in_the_way, " ")));
        return make_bridge_again();
    }
    for (const std::string& orphan : orphans_) {
        if (!options_.remove_orphans && contains(observed_.containers.at(orphan).networks, name))
            in_the_way.push_back(orphan);
    }
    if (!in_the_way.empty()) {
        plan_.warnings.push_back(fmt::format(
            "network '{}' differs from the file and stays as it is, because the orphan containers "
            "([{}]) are on it; run this command with the --remove-orphans flag to make it anew",
            name, fmt::join(in_the_way, " ")));
        return make_bridge_again();
    }
    renewed_networks_[name] = "configuration changed";
    changed_networks_.insert(name);
    take_in_those_on(name, false);
}

/// Why the container must be made anew; nothing where it may stay. That a service it depends on is
/// made anew is no reason.
std::optional<std::string> UpPlanner::recreate_cause(const DesiredContainer& wanted,
                                                     const ObservedContainer& found) const {
    const bool asked_for = options_.services.empty() || contains(options_.services, wanted.service);
    if (options_.force_recreate && asked_for) return "asked for by --force-recreate";
    if (options_.always_recreate_deps && !asked_for) return "asked for by --always-recreate-deps";
    // One that was never made whole is made, whatever was asked.
    if (options_.no_recreate && !found.config_hash.empty()) return network_cause(found);
    if (wanted.config_hash != found.config_hash) return "configuration changed";
    if (found.partner_renewed) return "the container whose network it shares was made anew";
    const auto image = observed_.image_ids.find(wanted.config.image);
    if (image != observed_.image_ids.end() && image->second != found.image_id)
        return "image changed";
    return network_cause(found);
}

std::optional<std::string> UpPlanner::network_cause(const ObservedContainer& found) const {
    for (const std::string& network : found.networks) {
        if (changed_networks_.contains(network))
            return fmt::format("network '{}' changed", network);
    }
    return std::nullopt;
}

/// Whether the container is going to be made, for the first time or anew.
bool UpPlanner::is_new(const std::string& name) const {
    const auto leaving = leaving_.find(name);
    if (leaving != leaving_.end()) return leaving->second.remove;
    return selected_.contains(name) && find_observed(name) == nullptr;
}

/// Decides whether `name` goes with another one. Returns whether that is new.
bool UpPlanner::follow(const std::string& name, const ObservedContainer& found) {
    const std::string place = place_of(desired_.containers.at(name).service);
    const std::string joined = joined_container(desired_, name);
    if (!joined.empty() && is_new(joined)) {
        // Its users are those of the other one, which get other numbers.
        if (is_new(name)) return false;
        leaving_[name] = {fmt::format("'{}', which it joins, is made anew", joined), place, true};
        return true;
    }
    if (!found.running || leaving_.contains(name)) return false;
    const ObservedContainer* owner = joined.empty() ? nullptr : find_observed(joined);
    if (owner != nullptr && !owner->running && selected_.contains(joined) &&
        !(owner->completed && is_awaited(joined))) {
        leaving_[name] = {fmt::format("'{}', which it joins, is started", joined), place, false};
        return true;
    }
    for (const Gate& gate : desired_.containers.at(name).gates) {
        if (!gate.restart || !leaving_.contains(gate.container)) continue;
        leaving_[name] = {fmt::format("'{}' is restarted", gate.container), place, false};
        return true;
    }
    return false;
}

/// Those that `depends_on.restart: true`, or a namespace that they share, ties to one that goes.
void UpPlanner::follow_restarts() {
    for (bool again = true; again;) {
        again = false;
        for (const auto& [name, wanted] : desired_.containers) {
            const ObservedContainer* found = find_observed(name);
            // Who shares with one that goes is in it, asked for or not.
            const bool concerned =
                selected_.contains(name) || !joined_container(desired_, name).empty();
            if (found == nullptr || !concerned || !follow(name, *found)) continue;
            selected_.insert(name);
            again = true;
        }
    }
}

void UpPlanner::decide_containers() {
    std::set<std::string> selected_services;
    for (const std::string& name : selected_) {
        const DesiredContainer& wanted = desired_.containers.at(name);
        selected_services.insert(wanted.service);
        const ObservedContainer* found = find_observed(name);
        if (found == nullptr) continue;
        if (auto cause = recreate_cause(wanted, *found)) {
            leaving_[name] = {*std::move(cause), place_of(wanted.service), true};
            continue;
        }
        for (const std::string& network : wanted.networks) {
            // Its end of the cable hangs loose: it is plugged in again at its next start.
            if (found->running && renewed_networks_.contains(network))
                leaving_[name] = {fmt::format("network '{}' is made again", network),
                                  place_of(wanted.service), false};
        }
    }
    for (const std::string& name : misnamed_) {
        const ObservedContainer& found = observed_.containers.at(name);
        const bool on_changed =
            std::any_of(found.networks.begin(), found.networks.end(),
                        [&](const std::string& n) { return changed_networks_.contains(n); });
        const bool none_left =
            options_.services.empty() || contains(options_.services, found.service);
        if (selected_services.contains(found.service) || on_changed || none_left)
            leaving_[name] = {why_misnamed(found), place_of(found.service), true};
    }
    follow_restarts();
    for (const std::string& name : unfinished_)
        leaving_[name] = {"it was never made whole", {}, true};
    if (!options_.remove_orphans) return;
    for (const std::string& name : orphans_) leaving_[name] = {"no longer in the file", {}, true};
}

void UpPlanner::add_networks() {
    for (const auto& [name, cause] : renewed_networks_) {
        const Resource resource{ResourceKind::Network, name};
        const std::string place =
            to_string(places_.find("networks." + desired_.networks.at(name).key));
        std::vector<StepId> after;
        if (changed_networks_.contains(name)) {
            for (const auto& [container, step] : gone_) {
                if (contains(observed_.containers.at(container).networks, name))
                    after.push_back(step);
            }
            std::sort(after.begin(), after.end());
            after = {plan_.add({StepKind::RemoveNetwork, resource, cause, place, after})};
        }
        network_ready_[name] =
            plan_.add({StepKind::CreateNetwork, resource, cause, place, std::move(after)});
    }
}

void UpPlanner::add_volumes() {
    std::set<std::string> names;
    for (const std::string& name : selected_) {
        const DesiredContainer& wanted = desired_.containers.at(name);
        names.insert(wanted.volumes.begin(), wanted.volumes.end());
    }
    const std::set<std::string> there(observed_.volumes.begin(), observed_.volumes.end());
    for (const std::string& name : names) {
        if (there.contains(name)) continue;
        const DesiredVolume& volume = desired_.volumes.at(name);
        if (volume.config.external) {
            plan_.warnings.push_back(
                fmt::format("the external volume '{}' is not there; make it first", name));
            continue;
        }
        volume_ready_[name] = plan_.add({StepKind::CreateVolume,
                                         {ResourceKind::Volume, name},
                                         "not there yet",
                                         to_string(places_.find("volumes." + volume.key)),
                                         {}});
    }
}

void UpPlanner::add_containers() {
    Needs needs;
    for (const std::string& name : selected_) needs[name] = desired_.containers.at(name).needs;
    for (const std::string& name : dependency_order(needs).order)
        add_container(name, desired_.containers.at(name));
}

void sort_unique(std::vector<StepId>& steps) {
    std::sort(steps.begin(), steps.end());
    steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
}

std::vector<StepId> UpPlanner::before_create(const std::string& name,
                                             const DesiredContainer& wanted) const {
    std::vector<StepId> after;
    if (const auto own = gone_.find(name); own != gone_.end()) after.push_back(own->second);
    for (const std::string& network : wanted.networks) {
        if (const auto step = network_ready_.find(network); step != network_ready_.end())
            after.push_back(step->second);
    }
    for (const std::string& volume : wanted.volumes) {
        if (const auto step = volume_ready_.find(volume); step != volume_ready_.end())
            after.push_back(step->second);
    }
    return after;
}

std::string UpPlanner::why_misnamed(const ObservedContainer& found) const {
    int count = 0;
    for (const auto& [name, container] : desired_.containers)
        count += container.service == found.service && !container.one_off ? 1 : 0;
    if (found.number > count) return fmt::format("scaled to {}", count);
    return "the container of its service has another name now";
}

/// The step that waits for the gate; none where it is open already.
std::optional<StepId> UpPlanner::await(const Gate& gate, const DesiredContainer& wanted) {
    if (gate.condition == Awaited::Started || !selected_.contains(gate.container))
        return std::nullopt;
    const auto key = std::pair(gate.container, gate.condition);
    if (const auto known = awaited_.find(key); known != awaited_.end()) return known->second;
    const auto begun = started_.find(gate.container);
    const ObservedContainer* found = find_observed(gate.container);
    const bool open =
        begun == started_.end() && found != nullptr &&
        (gate.condition == Awaited::Healthy ? found->running && found->healthy : found->completed);
    if (open) return std::nullopt;
    Step step;
    step.kind = StepKind::AwaitContainer;
    step.resource = {ResourceKind::Container, gate.container};
    step.cause =
        fmt::format("service '{}' waits for it {}", wanted.service, name_of(gate.condition));
    step.place =
        to_string(places_.find(fmt::format("services.{}.depends_on.{}", wanted.service,
                                           desired_.containers.at(gate.container).service)));
    if (begun != started_.end()) step.after = {begun->second};
    step.awaited = gate.condition;
    step.optional = !gate.required;
    return awaited_[key] = plan_.add(std::move(step));
}

std::vector<StepId> UpPlanner::before_start(const std::string& name,
                                            const DesiredContainer& wanted) {
    std::vector<StepId> after;
    for (const Gate& gate : wanted.gates)
        if (const auto step = await(gate, wanted)) after.push_back(*step);
    for (const std::string& need : wanted.needs) {
        if (const auto step = started_.find(need); step != started_.end())
            after.push_back(step->second);
    }
    // A container that leaves may hold a port that this one takes over.
    if (!wanted.config.ports.empty()) {
        for (const auto& [other, step] : gone_) {
            if (other != name) after.push_back(step);
        }
    }
    return after;
}

/// Whether another container waits for this one to complete.
bool UpPlanner::is_awaited(const std::string& name) const {
    return std::any_of(
        desired_.containers.begin(), desired_.containers.end(), [&](const auto& entry) {
            const std::vector<Gate>& gates = entry.second.gates;
            return std::any_of(gates.begin(), gates.end(), [&](const Gate& gate) {
                return gate.container == name && gate.condition == Awaited::Completed;
            });
        });
}

void UpPlanner::add_container(const std::string& name, const DesiredContainer& wanted) {
    const Resource resource{ResourceKind::Container, name};
    const std::string place = place_of(wanted.service);
    const auto leaving = leaving_.find(name);
    const ObservedContainer* found = find_observed(name);
    std::vector<StepId> after = before_create(name, wanted);
    std::string cause = "not there yet";
    if (leaving != leaving_.end())
        cause = leaving->second.cause;
    else if (found != nullptr && (found->running || (found->completed && is_awaited(name))))
        return;  // a task that has done its work is not done again
    else if (found != nullptr)
        cause = "not running";

    if (found == nullptr || (leaving != leaving_.end() && leaving->second.remove)) {
        sort_unique(after);
        const StepId created =
            plan_.add({StepKind::CreateContainer, resource, cause, place, std::move(after)});
        after = {created};
    }
    if (options_.no_start) return;
    const std::vector<StepId> also = before_start(name, wanted);
    after.insert(after.end(), also.begin(), also.end());
    sort_unique(after);
    started_[name] = plan_.add({StepKind::StartContainer, resource, cause, place, after});
}

}  // namespace

Plan plan_up(const DesiredState& desired, const ObservedState& observed, const UpOptions& options,
             const SourceMap& places) {
    return UpPlanner(desired, observed, options, places).run();
}

}  // namespace davit::compose
