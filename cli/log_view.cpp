#include "cli/log_view.h"

#include "base/duration.h"
#include "cli/terminal.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::cli {
namespace {

/// A line longer than this is shown in pieces rather than kept.
constexpr std::size_t kLongestLine = 1U << 20U;

/// Colours of the prefixes, in the order of docker compose.
constexpr const char* kColours[] = {"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"};

}  // namespace

std::string short_name(const std::string& name, const std::string& project) {
    const std::string start = project + "-";
    return name.starts_with(start) && name.size() > start.size() ? name.substr(start.size()) : name;
}

LogView::LogView(std::vector<std::string> names, LogViewOptions options) : options_(options) {
    std::size_t widest = 0;
    for (const std::string& name : names) widest = std::max(widest, width_of(name));
    std::size_t number = 0;
    for (const std::string& name : names) {
        const std::string padded = name + std::string(widest - width_of(name), ' ') + "  |";
        const char* sgr = kColours[number++ % std::size(kColours)];
        prefixes_.push_back(coloured(padded, sgr, options.colour) + " ");
    }
}

std::string LogView::add(const stack::LogLine& line) {
    Part& part = parts_[{line.source, line.stream}];
    if (part.text.empty()) part.time = line.time;
    part.text += line.text;
    // Without prefixes the bytes can go out as they come; nothing has to be put before a line.
    const bool whole = part.text.ends_with('\n') || part.text.size() >= kLongestLine;
    if (!whole && options_.prefix) return {};
    std::string text = finished(line.source, part);
    part = Part();
    return text;
}

std::string LogView::flush() {
    std::string text;
    for (auto& [key, part] : parts_)
        if (!part.text.empty()) text += finished(key.first, std::exchange(part, Part()));
    return text;
}

std::string LogView::finished(std::size_t source, const Part& part) const {
    std::string_view rest = part.text;
    if (!options_.prefix) {
        const std::string time = options_.timestamps ? rfc3339(part.time) + " " : "";
        return time + part.text;
    }
    std::string text;
    while (!rest.empty()) {
        // On a terminal a carriage return would let a line overwrite its prefix: it ends the line.
        const std::size_t end = rest.find_first_of(options_.terminal ? "\r\n" : "\n");
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end);
        const bool crlf = options_.terminal && rest.starts_with("\r\n");
        rest.remove_prefix(std::min<std::size_t>(crlf ? 2 : 1, rest.size()));
        text += one_line(source, part, line);
    }
    return text;
}

std::string LogView::one_line(std::size_t source, const Part& part, std::string_view line) const {
    std::string text = prefixes_[source];
    if (options_.timestamps) text += rfc3339(part.time) + " ";
    if (!options_.terminal) return text.append(line) + '\n';
    text += harmless(line, Sgr::Keep);
    // A colour that the container turned on must not reach the next prefix.
    if (line.find("\x1b[") != std::string_view::npos) text += "\x1b[0m";
    return text + '\n';
}

}  // namespace davit::cli
