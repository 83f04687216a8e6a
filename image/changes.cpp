#include "image/changes.h"

#include "base/strings.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <map>

namespace davit::image {
namespace {

Error invalid(const std::string& change, std::string_view why) {
    return Error(ErrorKind::InvalidInput, fmt::format("--change '{}': {}", change, why));
}

/// The words of a line, with quotes and backslashes as in a Dockerfile's ENV and LABEL.
Result<std::vector<std::string>> words(std::string_view text, const std::string& change) {
    std::vector<std::string> list;
    std::string word;
    bool in_word = false;
    char quote = '\0';
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
            word += text[++i];
            in_word = true;
        } else if (quote != '\0') {
            if (c == quote)
                quote = '\0';
            else
                word += c;
        } else if (c == '"' || c == '\'') {
            quote = c;
            in_word = true;
        } else if (c == ' ' || c == '\t') {
            if (in_word) list.push_back(std::move(word));
            word.clear();
            in_word = false;
        } else {
            word += c;
            in_word = true;
        }
    }
    if (quote != '\0') return invalid(change, "a quote is not closed");
    if (in_word) list.push_back(std::move(word));
    return list;
}

/// ["a", "b"], or a line for the shell.
Result<Json> program(std::string_view text, const std::string& change) {
    if (!text.starts_with('[')) return Json::array({"/bin/sh", "-c", std::string(text)});
    Json list = TRY(parse_json(text, fmt::format("--change '{}'", change)));
    const bool strings =
        std::all_of(list.begin(), list.end(), [](const Json& item) { return item.is_string(); });
    if (!list.is_array() || !strings) return invalid(change, "it is not a list of strings");
    return list;
}

/// "A=b C=d", or the old form "A b".
Result<std::map<std::string, std::string>> pairs(std::string_view text, const std::string& change) {
    std::map<std::string, std::string> list;
    const std::size_t blank = text.find_first_of(" \t");
    if (text.substr(0, blank).find('=') == std::string_view::npos) {
        if (blank == std::string_view::npos) return invalid(change, "a value is missing");
        list[std::string(text.substr(0, blank))] = trim(text.substr(blank));
        return list;
    }
    const std::vector<std::string> all = TRY(words(text, change));
    for (const std::string& word : all) {
        const std::size_t equals = word.find('=');
        if (equals == std::string::npos || equals == 0)
            return invalid(change, fmt::format("'{}' is not NAME=value", word));
        list[word.substr(0, equals)] = word.substr(equals + 1);
    }
    return list;
}

void set_environment(Json& config, const std::map<std::string, std::string>& variables) {
    if (!config.contains("Env")) config["Env"] = Json::array();
    Json& list = config["Env"];
    for (const auto& [name, value] : variables) {
        const std::string beginning = name + "=";
        const auto old = std::find_if(list.begin(), list.end(), [&](const Json& known) {
            return known.get<std::string>().starts_with(beginning);
        });
        if (old != list.end())
            *old = beginning + value;
        else
            list.push_back(beginning + value);
    }
}

Result<void> apply(Json& config, const std::string& change) {
    const std::string_view text = trim(change);
    const std::size_t blank = text.find_first_of(" \t");
    std::string name(text.substr(0, blank));
    for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    const std::string_view rest =
        blank == std::string_view::npos ? std::string_view() : trim(text.substr(blank));
    if (rest.empty()) return invalid(change, "the instruction has no argument");
    if (name == "CMD") {
        config["Cmd"] = TRY(program(rest, change));
    } else if (name == "ENTRYPOINT") {
        config["Entrypoint"] = TRY(program(rest, change));
    } else if (name == "ENV") {
        set_environment(config, TRY(pairs(rest, change)));
    } else if (name == "LABEL") {
        const std::map<std::string, std::string> labels = TRY(pairs(rest, change));
        for (const auto& [key, value] : labels) config["Labels"][key] = value;
    } else if (name == "EXPOSE") {
        const std::vector<std::string> ports = TRY(words(rest, change));
        for (const std::string& port : ports) {
            const auto number = parse_integer(port.substr(0, port.find('/')));
            if (!number || *number < 1 || *number > 65535)
                return invalid(change, fmt::format("'{}' is not a port", port));
            config["ExposedPorts"][port.find('/') == std::string::npos ? port + "/tcp" : port] =
                Json::object();
        }
    } else if (name == "VOLUME") {
        std::vector<std::string> paths;
        if (rest.starts_with('['))
            paths = TRY(program(rest, change)).get<std::vector<std::string>>();
        else
            paths = TRY(words(rest, change));
        for (const std::string& path : paths) config["Volumes"][path] = Json::object();
    } else if (name == "WORKDIR") {
        config["WorkingDir"] = rest;
    } else if (name == "USER") {
        config["User"] = rest;
    } else if (name == "STOPSIGNAL") {
        config["StopSignal"] = rest;
    } else {
        return invalid(change, fmt::format("'{}' can't be changed", name))
            .help("use CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR");
    }
    return {};
}

}  // namespace

Result<Json> apply_changes(Json config, const std::vector<std::string>& changes) {
    for (const std::string& change : changes) TRY(apply(config, change));
    return config;
}

}  // namespace davit::image
