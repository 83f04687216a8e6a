#include "runtime/dns_zone.h"

#include "base/file.h"
#include "base/strings.h"

#include <sys/stat.h>

namespace davit::runtime {
namespace {

std::vector<std::string> words_of(std::string_view line) {
    std::vector<std::string> words;
    std::string word;
    for (const char c : line) {
        if (c != ' ' && c != '\t' && c != '\r') {
            word.push_back(c);
        } else if (!word.empty()) {
            words.push_back(std::move(word));
            word.clear();
        }
    }
    if (!word.empty()) words.push_back(std::move(word));
    return words;
}

}  // namespace

Json to_json(const DnsSettings& settings) {
    Json networks = Json::array();
    for (const DnsSettings::Network& network : settings.networks)
        networks.push_back({{"name", network.name}, {"folder", network.folder}});
    return {{"networks", std::move(networks)}, {"port", settings.port},
            {"forward", settings.forward},     {"servers", settings.servers},
            {"links", settings.links},         {"hosts", settings.hosts},
            {"own_zone", settings.own_zone}};
}

Result<DnsSettings> parse_dns_settings(const std::string& text) {
    const Json json = TRY(parse_json(text, "io.davit.dns"));
    return decode_json(json, "io.davit.dns", [](const Json& node) {
        DnsSettings settings;
        for (const Json& network : node.at("networks"))
            settings.networks.push_back(
                {network.at("name").get<std::string>(), network.at("folder").get<std::string>()});
        settings.port = node.at("port").get<std::uint16_t>();
        settings.forward = node.at("forward").get<bool>();
        settings.servers = node.at("servers").get<std::vector<std::string>>();
        settings.links = node.at("links").get<std::map<std::string, std::string>>();
        settings.hosts = node.at("hosts").get<std::map<std::string, std::vector<std::string>>>();
        settings.own_zone = node.at("own_zone").get<std::string>();
        return settings;
    });
}

void DnsZone::refresh() {
    struct stat info {};
    if (::stat(folder_.c_str(), &info) == -1) {
        addresses_of_.clear();
        name_of_.clear();
        fresh_ = false;
        return;
    }
    const bool same =
        info.st_mtim.tv_sec == changed_.tv_sec && info.st_mtim.tv_nsec == changed_.tv_nsec;
    if (fresh_ && same) return;
    addresses_of_.clear();
    name_of_.clear();
    changed_ = info.st_mtim;
    // The kernel's clock for files ticks every few milliseconds: what changes within the same tick
    // after this look would go unseen, so a very young folder is looked at again.
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    fresh_ = now.tv_sec > changed_.tv_sec + 1;
    const Result<std::vector<std::string>> files = list_directory(folder_);
    for (const std::string& file : files ? *files : std::vector<std::string>()) {
        if (file.ends_with(".tmp")) continue;
        const Result<std::string> text = read_file(folder_ + "/" + file, 65536);
        if (!text) continue;  // gone meanwhile
        const std::vector<std::string> lines = split(*text, '\n');
        if (lines.size() < 2) continue;
        const std::vector<std::string> addresses = words_of(lines[0]);
        const std::vector<std::string> names = words_of(lines[1]);
        for (const std::string& name : names) {
            std::vector<std::string>& known = addresses_of_[lowered(name)];
            known.insert(known.end(), addresses.begin(), addresses.end());
        }
        for (const std::string& address : addresses)
            if (!names.empty()) name_of_[address] = names.front();
    }
}

const std::vector<std::string>* DnsZone::find(const std::string& name) {
    refresh();
    const auto found = addresses_of_.find(name);
    return found == addresses_of_.end() ? nullptr : &found->second;
}

std::string DnsZone::name_of(const std::string& address) {
    refresh();
    const auto found = name_of_.find(address);
    return found == name_of_.end() ? std::string() : found->second;
}

DnsNames::DnsNames(DnsSettings settings) : settings_(std::move(settings)) {
    for (const DnsSettings::Network& network : settings_.networks)
        zones_.emplace_back(network.folder);
    std::map<std::string, std::string> links;
    for (auto& [alias, name] : settings_.links) links[lowered(alias)] = lowered(name);
    settings_.links = std::move(links);
}

std::optional<std::vector<std::string>> DnsNames::find(const std::string& name) {
    if (const auto fixed = settings_.hosts.find(name); fixed != settings_.hosts.end())
        return fixed->second;
    const auto link = settings_.links.find(name);
    const std::string& wanted = link == settings_.links.end() ? name : link->second;
    for (std::size_t i = 0; i < zones_.size(); ++i) {
        if (const auto* found = zones_[i].find(wanted)) return *found;
        const std::string suffix = "." + lowered(settings_.networks[i].name);
        if (!wanted.ends_with(suffix)) continue;
        if (const auto* found = zones_[i].find(wanted.substr(0, wanted.size() - suffix.size())))
            return *found;
    }
    return std::nullopt;
}

std::string DnsNames::name_of(const std::string& address) {
    for (std::size_t i = 0; i < zones_.size(); ++i) {
        const std::string name = zones_[i].name_of(address);
        if (!name.empty()) return name + "." + settings_.networks[i].name;
    }
    return {};
}

std::vector<std::string> servers_of(std::string_view resolv_conf) {
    constexpr std::size_t kMost = 3;  // resolv.conf(5), MAXNS
    std::vector<std::string> servers;
    for (const std::string& line : split(resolv_conf, '\n')) {
        const std::vector<std::string> words = words_of(line);
        if (words.size() >= 2 && words[0] == "nameserver" && servers.size() < kMost)
            servers.push_back(words[1]);
    }
    if (servers.empty()) servers.push_back("127.0.0.1");
    return servers;
}

}  // namespace davit::runtime
