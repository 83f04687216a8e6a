#include "compose/validate.h"

#include "base/strings.h"
#include "compose/dependency_order.h"
#include "compose/state.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::compose {
namespace {

class Validator {
public:
    Validator(const Project& project, const SourceMap& places, Diagnostics& diagnostics)
        : project_(project), places_(places), diagnostics_(diagnostics) {}

    void run() {
        for (const auto& [name, service] : project_.services) {
            check_mounts(service);
            check_dependencies(service);
        }
        check_cycles();
        check_container_names();
        check_ports();
    }

private:
    void check_mounts(const Service& service);
    void check_dependencies(const Service& service);
    void check_cycles();
    void check_container_names();
    void check_ports();

    SourcePos place(const Service& service, std::string_view attribute) const {
        return places_.find(fmt::format("services.{}.{}", service.name, attribute));
    }
    void refuse(std::string message, SourcePos where, std::string help, std::string note,
                SourcePos other) {
        diagnostics_.add({Severity::Error,
                          std::move(message),
                          std::move(where),
                          std::move(help),
                          {{std::move(note), std::move(other)}}});
    }

    const Project& project_;
    const SourceMap& places_;
    Diagnostics& diagnostics_;
};

template <typename Value>
std::vector<std::string> names_in(const std::map<std::string, Value>& things) {
    std::vector<std::string> names;
    for (const auto& [name, value] : things) names.push_back(name);
    return names;
}

void Validator::check_mounts(const Service& service) {
    std::map<std::string, SourcePos> targets;
    for (std::size_t i = 0; i < service.volumes.size(); ++i) {
        const Mount& mount = service.volumes[i];
        const SourcePos where = place(service, fmt::format("volumes[{}]", i));
        const auto [first, fresh] = targets.emplace(mount.target, where);
        if (!fresh)
            refuse(fmt::format("service '{}' mounts two things on '{}'", service.name,
                               printable(mount.target)),
                   where, "give one of the two another target", "the first one", first->second);
        if (mount.type != MountType::Volume || mount.source.empty()) continue;
        if (project_.volumes.contains(mount.source)) continue;
        const auto meant = nearest(mount.source, names_in(project_.volumes));
        std::string help = fmt::format("add '{}:' to the top-level 'volumes'", mount.source);
        if (meant)
            help = fmt::format("the nearest volume is '{}'", *meant);
        else if (mount.source.find('/') != std::string::npos)
            help = fmt::format("write './{}' for a folder of the host", mount.source);
        diagnostics_.error(fmt::format("the volume '{}' is not defined", printable(mount.source)),
                           where, help);
    }
}

void Validator::check_dependencies(const Service& service) {
    for (std::size_t i = 0; i < service.depends_on.size(); ++i) {
        const std::string& need = service.depends_on[i];
        if (project_.services.contains(need)) continue;
        const auto meant = nearest(need, names_in(project_.services));
        diagnostics_.error(fmt::format("service '{}' depends on '{}', which is not defined",
                                       service.name, printable(need)),
                           place(service, fmt::format("depends_on[{}]", i)),
                           meant ? fmt::format("the nearest service is '{}'", *meant)
                                 : "define it, or take it out of 'depends_on'");
    }
}

void Validator::check_cycles() {
    Needs needs;
    for (const auto& [name, service] : project_.services) needs[name] = service.depends_on;
    for (const std::vector<std::string>& cycle : dependency_order(needs).cycles) {
        const Service& last = project_.services.at(cycle.back());
        const auto closing =
            std::find(last.depends_on.begin(), last.depends_on.end(), cycle.front());
        diagnostics_.error(
            fmt::format("services depend on each other in a circle: {} -> {}",
                        fmt::join(cycle, " -> "), cycle.front()),
            place(last, fmt::format("depends_on[{}]", closing - last.depends_on.begin())),
            "take one of these dependencies out");
    }
}

void Validator::check_container_names() {
    std::map<std::string, const Service*> owners;
    const auto claim = [&](const std::string& key, const Service& service) {
        const std::string name = container_name(project_, service);
        const auto [first, fresh] = owners.emplace(name, &project_.services.at(key));
        if (fresh) return;
        refuse(fmt::format("the container name '{}' is taken by service '{}'", name,
                           first->second->name),
               place(service, "container_name"), "give each container a name of its own",
               "the first one", place(*first->second, "container_name"));
    };
    // Generated names first: where one is in the way, the remark belongs to the one written out.
    for (const auto& [key, service] : project_.services) {
        if (service.container_name.empty()) claim(key, service);
    }
    for (const auto& [key, service] : project_.services) {
        if (!service.container_name.empty()) claim(key, service);
    }
}

/// Whether two host addresses can't both have the same port: equal, or one stands for all.
bool overlap(const std::string& one, const std::string& other) {
    const auto covers = [](const std::string& all, const std::string& address) {
        const bool v6 = address.find(':') != std::string::npos;
        return all.empty() || (all == "0.0.0.0" && !v6) || (all == "::" && v6);
    };
    return one == other || covers(one, other) || covers(other, one);
}

void Validator::check_ports() {
    struct Claim {
        const Service* service;
        const Port* port;
        SourcePos where;
    };
    std::map<std::pair<std::string, std::uint16_t>, std::vector<Claim>> claims;
    for (const auto& [name, service] : project_.services) {
        for (std::size_t i = 0; i < service.ports.size(); ++i) {
            const Port& port = service.ports[i];
            if (port.published == 0) continue;
            const SourcePos where = place(service, fmt::format("ports[{}]", i));
            std::vector<Claim>& same = claims[{port.protocol, port.published}];
            const auto taken = std::find_if(same.begin(), same.end(), [&](const Claim& claim) {
                return overlap(claim.port->host_ip, port.host_ip);
            });
            if (taken == same.end()) {
                same.push_back({&service, &port, where});
                continue;
            }
            refuse(fmt::format("port {}/{} of the host is published twice, by service '{}' too",
                               port.published, port.protocol, taken->service->name),
                   where, "choose another port of the host for one of the two", "the first one",
                   taken->where);
        }
    }
}

}  // namespace

void validate(const Project& project, const SourceMap& places, Diagnostics& diagnostics) {
    Validator(project, places, diagnostics).run();
}

}  // namespace davit::compose
