#include "network/names.h"

#include "base/file.h"
#include "base/strings.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::network {
namespace {

std::string line_of(const HostEntry& entry) {
    return fmt::format("{}\t{}\n", to_string(entry.address), fmt::join(entry.names, " "));
}

std::vector<std::string> words_of(const std::string& line) {
    std::vector<std::string> words;
    for (const std::string& tabbed : split(line, '\t')) {
        for (std::string& word : split(tabbed, ' ')) {
            if (!word.empty()) words.push_back(std::move(word));
        }
    }
    return words;
}

/// A name server that only processes in the host's own network namespace can reach.
bool is_loopback(const std::string& server) {
    return server.starts_with("127.") || server == "::1" || server.starts_with("::ffff:127.");
}

}  // namespace

std::string render_hosts(const HostEntry& own, const std::vector<HostEntry>& neighbours) {
    std::string text =
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n";
    if (!own.names.empty()) text += line_of(own);
    for (const HostEntry& entry : neighbours) text += line_of(entry);
    return text;
}

std::string render_resolv_conf(std::string_view text) {
    std::string kept;
    bool has_server = false;
    for (const std::string& line : split(text, '\n')) {
        const std::vector<std::string> words = words_of(line);
        if (words.size() < 2) continue;
        if (words[0] == "nameserver") {
            if (is_loopback(words[1])) continue;
            has_server = true;
        } else if (words[0] != "search" && words[0] != "options" && words[0] != "domain") {
            continue;
        }
        kept += fmt::format("{}\n", fmt::join(words, " "));
    }
    if (!has_server) kept += "nameserver 8.8.8.8\nnameserver 8.8.4.4\n";
    return kept;
}

std::string render_resolv_conf(std::string_view text, const ResolverWishes& wishes) {
    std::string kept;
    for (const std::string& line : split(render_resolv_conf(text), '\n')) {
        const std::string word = line.substr(0, line.find(' '));
        if (word.empty() || (word == "nameserver" && !wishes.servers.empty()) ||
            ((word == "search" || word == "domain") && !wishes.search.empty()) ||
            (word == "options" && !wishes.options.empty()))
            continue;
        kept += line + "\n";
    }
    for (const std::string& server : wishes.servers) kept += fmt::format("nameserver {}\n", server);
    const bool none = wishes.search == std::vector<std::string>{"."};
    if (!wishes.search.empty() && !none)
        kept += fmt::format("search {}\n", fmt::join(wishes.search, " "));
    if (!wishes.options.empty())
        kept += fmt::format("options {}\n", fmt::join(wishes.options, " "));
    return kept;
}

std::string render_guarded_resolv_conf(std::string_view text, const ResolverWishes& wishes,
                                       std::string_view server) {
    std::string kept = fmt::format("nameserver {}\n", server);
    bool has_dots = false;
    for (const std::string& line : split(render_resolv_conf(text, wishes), '\n')) {
        if (line.empty() || line.starts_with("nameserver")) continue;
        has_dots = has_dots || line.find("ndots:") != std::string::npos;
        kept += line + "\n";
    }
    // Several lines of options add up. @source resolv.conf(5), glibc res_init
    return has_dots ? kept : kept + "options ndots:0\n";
}

std::string host_resolv_conf() {
    constexpr const char* kUsual = "/etc/resolv.conf";
    constexpr const char* kResolved = "/run/systemd/resolve/resolv.conf";
    const Result<std::string> usual = read_file(kUsual);
    const std::string text = usual ? *usual : std::string();
    // The stub of systemd-resolved: the real servers stand in its own file.
    if (text.find("127.0.0.53") != std::string::npos) {
        const Result<std::string> resolved = read_file(kResolved);
        if (resolved) return *resolved;
    }
    return text;
}

}  // namespace davit::network
