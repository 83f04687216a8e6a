#include "compose/validate.h"

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
        check_container_names();
        check_ports();
    }

private:
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

    /// The services in the order of the file, so that the later of two that clash is blamed.
    std::vector<const Service*> by_place() const {
        std::vector<const Service*> services;
        for (const auto& [name, service] : project_.services) services.push_back(&service);
        const auto line = [&](const Service* service) {
            return places_.find("services." + service->name).line;
        };
        std::stable_sort(
            services.begin(), services.end(),
            [&](const Service* one, const Service* other) { return line(one) < line(other); });
        return services;
    }

    const Project& project_;
    const SourceMap& places_;
    Diagnostics& diagnostics_;
};

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
    const std::vector<const Service*> services = by_place();
    for (const Service* service : services) {
        if (service->container_name.empty()) claim(service->name, *service);
    }
    for (const Service* service : services) {
        if (!service->container_name.empty()) claim(service->name, *service);
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
    for (const Service* each : by_place()) {
        const Service& service = *each;
        for (std::size_t i = 0; i < service.ports.size(); ++i) {
            const Port& port = service.ports[i];
            // One of a range is chosen among those that are free.
            if (port.published == 0 || port.published_last > port.published) continue;
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
