#include "network/sysctl.h"

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"

#include <fmt/format.h>

namespace davit::network {
namespace {

std::string path_of(const std::string& name) { return "/proc/sys/net/" + name; }

std::string value_of(const std::string& name) {
    const Result<std::string> now = read_file(path_of(name));
    return now ? std::string(trim(*now)) : std::string();
}

}  // namespace

void set_if_possible(const std::string& name, std::string_view value) {
    if (!exists(path_of(name))) return;
    if (const Result<void> done = write_control_file(path_of(name), value); !done)
        log::debug("network", "{}, ignoring", done.error().to_string());
}

Result<void> set_needed(const std::string& name, std::string_view value) {
    if (value_of(name) == value) return {};  // also where /proc/sys is read-only
    return write_control_file(path_of(name), value);
}

Result<void> turn_forwarding_on(bool v6) {
    TRY(set_needed("ipv4/ip_forward", "1"));
    if (!v6 || value_of("ipv6/conf/all/forwarding") == "1") return {};
    const Result<std::vector<std::string>> links = list_directory("/proc/sys/net/ipv6/conf");
    for (const std::string& link : links ? *links : std::vector<std::string>()) {
        const std::string accept = fmt::format("ipv6/conf/{}/accept_ra", link);
        if (link != "all" && value_of(accept) == "1") set_if_possible(accept, "2");
    }
    return set_needed("ipv6/conf/all/forwarding", "1");
}

}  // namespace davit::network
