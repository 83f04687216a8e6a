#pragma once

#include "base/json.h"
#include "base/result.h"

#include <cstdint>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace davit::runtime {

/// What the name server of one container knows, as the annotation io.davit.dns says it.
struct DnsSettings {
    /// A network that the container is on, in the order in which names are looked for.
    struct Network {
        std::string name = {};    ///< "shop_default": NAME.shop_default is found here only.
        std::string folder = {};  ///< Of its zone files.
    };
    std::vector<Network> networks = {};
    std::uint16_t port = 53;  ///< On 127.0.0.11; another one where the container may serve names.
    bool forward = true;  ///< Whether names of the world are asked for; not where it has no way.
    std::vector<std::string> servers = {};                       ///< Instead of the host's.
    std::map<std::string, std::string> links = {};               ///< Alias to name.
    std::map<std::string, std::vector<std::string>> hosts = {};  ///< Fixed: host.docker.internal.
    std::string own_zone = {};  ///< File name of this container, taken away when it ends.
};
Json to_json(const DnsSettings& settings);
/// @errors InvalidInput
Result<DnsSettings> parse_dns_settings(const std::string& json);

/// The names of one network. davit writes a file for each container that answers:
///
///     172.17.0.2 fd00::2          addresses
///     shop-web-1 web 0a1b2c3d     names, the container's own first
///
/// Looks at the folder again whenever it has changed.
class DnsZone {
public:
    explicit DnsZone(std::string folder) : folder_(std::move(folder)) {}

    /// Addresses of all containers that have the name (lower case); nothing where none has.
    const std::vector<std::string>* find(const std::string& name);
    /// The name of the container at an address, as text; empty where there is none.
    std::string name_of(const std::string& address);

private:
    void refresh();
    std::string folder_;
    timespec changed_ = {};
    bool fresh_ = false;
    std::map<std::string, std::vector<std::string>> addresses_of_;
    std::map<std::string, std::string> name_of_;
};

/// A container's view of all its networks.
class DnsNames {
public:
    explicit DnsNames(DnsSettings settings);

    /// What is known of a name: nothing at all, or its addresses (perhaps none of one family).
    std::optional<std::vector<std::string>> find(const std::string& name);
    /// "shop-web-1.shop_default", or empty.
    std::string name_of(const std::string& address);

private:
    DnsSettings settings_;
    std::vector<DnsZone> zones_;
};

/// Name servers of a resolv.conf(5) text, at most three; the host itself where it names none.
std::vector<std::string> servers_of(std::string_view resolv_conf);

}  // namespace davit::runtime
