#pragma once

#include "tests/support/sandbox.h"
#include "tests/support/text.h"

#include <fmt/format.h>
#include <string>

/// Small services for tests of networks, and ways to ask them.
namespace davit::testing {

/// What `command` prints in the container of `service`.
inline std::string said(const Sandbox& box, const std::string& service,
                        const std::string& command) {
    return box.davit({"exec", "-T", service, "sh", "-c", command + " 2>&1"}).out;
}

/// A busybox service that answers "I am NAME" on port 80.
inline std::string server(const std::string& name, const std::string& keys) {
    return fmt::format(
        "  {0}:\n"
        "    image: local/busybox:1\n"
        "    command: sh -c 'mkdir -p /www; echo I am {0} >/www/index.html; exec httpd -f -p 80 -h "
        "/www'\n"
        "    stop_signal: SIGKILL\n{1}",
        name, keys);
}

/// A command that asks the server at `ip`; nc, since a static wget finds no service names.
inline std::string fetch(const std::string& ip, int seconds) {
    return fmt::format("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w {} {} 80", seconds, ip);
}

inline bool fetches(const Sandbox& box, const std::string& from, const std::string& ip,
                    const std::string& words) {
    return eventually([&] { return contains(said(box, from, fetch(ip, 2)), words); });
}

/// The address of an interface in the container of `service`, without its prefix.
inline std::string address(const Sandbox& box, const std::string& service,
                           const std::string& interface, const char* family = "inet") {
    const std::string text = said(box, service, "ip -o addr show dev " + interface);
    const std::string word = fmt::format(" {} ", family);
    const std::size_t at = text.find(word);
    if (at == std::string::npos) return {};
    return text.substr(at + word.size(), text.find('/', at) - at - word.size());
}

}  // namespace davit::testing
