#include "builder/image_state.h"

#include "base/file.h"
#include "base/strings.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace davit::builder {
namespace {

std::vector<std::string> strings_at(const Json& json, const char* key) {
    std::vector<std::string> strings;
    const auto found = json.find(key);
    if (found == json.end() || !found->is_array()) return strings;
    for (const Json& item : *found)
        if (item.is_string()) strings.push_back(item.get<std::string>());
    return strings;
}

Result<std::string> expand_at(const Word& word, const ExpandOptions& options) {
    auto value = expand_word(word.text, options);
    if (value) return *std::move(value);
    return std::move(value).error().at(word.where);
}

void set_env(Json& words, const std::string& name, const std::string& value) {
    Json& list = words["Env"];
    if (!list.is_array()) list = Json::array();
    for (Json& item : list) {
        if (!item.is_string() || !item.get<std::string>().starts_with(name + "=")) continue;
        item = name + "=" + value;
        return;
    }
    list.push_back(name + "=" + value);
}

/// CMD, ENTRYPOINT and HEALTHCHECK CMD: in the form of an array, or for the shell.
std::vector<std::string> command_of(const Instruction& instruction, std::size_t skip,
                                    const ImageState& state) {
    std::vector<std::string> command;
    if (!instruction.exec) command = state.shell();
    for (std::size_t i = skip; i < instruction.words.size(); ++i)
        command.push_back(instruction.words[i].text);
    return command;
}

Result<void> apply_env(const Instruction& instruction, ImageState& state) {
    // All of one line are expanded with what was before it.
    const ImageState before = state;
    const ExpandOptions options = before.expansion(instruction);
    for (const Pair& pair : instruction.pairs) {
        const std::string name = TRY(expand_at(pair.name, options));
        const std::string value = TRY(expand_at(*pair.value, options));
        set_env(state.config["config"], name, value);
        state.args.erase(name);
    }
    return {};
}

Result<void> apply_labels(const Instruction& instruction, ImageState& state) {
    const ExpandOptions options = state.expansion(instruction);
    Json labels = state.words().value("Labels", Json());
    if (!labels.is_object()) labels = Json::object();
    for (const Pair& pair : instruction.pairs) {
        const std::string name = TRY(expand_at(pair.name, options));
        labels[name] = TRY(expand_at(*pair.value, options));
    }
    state.config["config"]["Labels"] = std::move(labels);
    return {};
}

std::optional<int> port_number(std::string_view text) {
    const auto number = parse_integer(text);
    if (!number || *number < 1 || *number > 65535) return std::nullopt;
    return static_cast<int>(*number);
}

struct PortRange {
    int first = 0;
    int last = 0;
};

/// "8000-8002"
std::optional<PortRange> port_range(std::string_view text) {
    const std::size_t dash = text.find('-');
    const auto first = port_number(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : port_number(text.substr(dash + 1));
    if (!first || !last || *first > *last) return std::nullopt;
    return PortRange{*first, *last};
}

/// Whether `text` may stand before the port of the container: "8080", "127.0.0.1:8080". It says
/// nothing to an image. @source docker/go-connections, nat.ParsePortSpec
bool is_host_part(std::string_view text, const PortRange& inside) {
    const std::string_view port = text.substr(text.rfind(':') + 1);
    const auto range = port_range(port);
    return port.empty() || (range && range->last - range->first == inside.last - inside.first);
}

/// "8000-8002/udp" as single ports.
Result<std::vector<std::string>> ports_of(const std::string& text, const SourcePos& where) {
    const std::size_t slash = text.find('/');
    const std::string protocol =
        slash == std::string::npos ? "tcp" : lowered(text.substr(slash + 1));
    const std::string_view numbers = std::string_view(text).substr(0, slash);
    const std::size_t colon = numbers.rfind(':');
    const auto range = port_range(numbers.substr(colon + 1));
    const bool known = protocol == "tcp" || protocol == "udp" || protocol == "sctp";
    const bool fits = range && (colon == std::string_view::npos ||
                                is_host_part(numbers.substr(0, colon), *range));
    if (!fits || !known)
        return Error(ErrorKind::InvalidInput, fmt::format("'{}' is no port", printable(text)))
            .at(where)
            .help("write it like 80, 53/udp or 8000-8010");
    std::vector<std::string> ports;
    for (int port = range->first; port <= range->last; ++port)
        ports.push_back(fmt::format("{}/{}", port, protocol));
    return ports;
}

Result<void> apply_expose(const Instruction& instruction, ImageState& state) {
    const ExpandOptions options = state.expansion(instruction);
    Json ports = state.words().value("ExposedPorts", Json());
    if (!ports.is_object()) ports = Json::object();
    for (const Word& word : instruction.words) {
        auto values = expand_words(word.text, options);
        if (!values) return std::move(values).error().at(word.where);
        for (const std::string& value : *values) {
            const std::vector<std::string> each = TRY(ports_of(value, word.where));
            for (const std::string& port : each) ports[port] = Json::object();
        }
    }
    state.config["config"]["ExposedPorts"] = std::move(ports);
    return {};
}

Result<void> apply_volume(const Instruction& instruction, ImageState& state) {
    Json volumes = state.words().value("Volumes", Json());
    if (!volumes.is_object()) volumes = Json::object();
    const std::vector<std::string> paths = TRY(expand_all(instruction, instruction.words, state));
    for (const std::string& path : paths) {
        if (path.empty())
            return Error(ErrorKind::InvalidInput, "VOLUME has an empty path")
                .at(instruction.where)
                .help("write an absolute path");
        volumes[path] = Json::object();
    }
    state.config["config"]["Volumes"] = std::move(volumes);
    return {};
}

Result<void> apply_health(const Instruction& instruction, ImageState& state) {
    const HealthTimes times = TRY(health_times(instruction));
    Json health = Json::object();
    if (instruction.words.front().text == "NONE") {
        health["Test"] = {"NONE"};
    } else {
        std::vector<std::string> test = {instruction.exec ? "CMD" : "CMD-SHELL"};
        for (std::size_t i = 1; i < instruction.words.size(); ++i)
            test.push_back(instruction.words[i].text);
        health["Test"] = std::move(test);
    }
    const auto add = [&](const char* key, std::chrono::microseconds value) {
        if (value.count() > 0)
            health[key] = std::chrono::duration_cast<std::chrono::nanoseconds>(value).count();
    };
    add("Interval", times.interval);
    add("Timeout", times.timeout);
    add("StartPeriod", times.start_period);
    add("StartInterval", times.start_interval);
    if (times.retries > 0) health["Retries"] = times.retries;
    state.config["config"]["Healthcheck"] = std::move(health);
    return {};
}

Result<void> apply_stop_signal(const Instruction& instruction, ImageState& state) {
    const Word& word = instruction.words.front();
    const std::string value = TRY(expand_at(word, state.expansion(instruction)));
    const bool fits = !value.empty() && value.find_first_not_of(
                                            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                            "0123456789+-") == std::string::npos;
    if (!fits)
        return Error(ErrorKind::InvalidInput, fmt::format("'{}' is no signal", printable(value)))
            .at(word.where)
            .help("use a name such as SIGTERM, or a number");
    state.config["config"]["StopSignal"] = value;
    return {};
}

void apply_entrypoint(const Instruction& instruction, ImageState& state) {
    Json& words = state.config["config"];
    words["Entrypoint"] = command_of(instruction, 0, state);
    // A command of the base image was meant for its own entrypoint.
    if (!state.has_cmd) words.erase("Cmd");
}

}  // namespace

std::vector<std::string> ImageState::env() const { return strings_at(words(), "Env"); }

std::vector<std::string> ImageState::shell() const {
    std::vector<std::string> shell = strings_at(words(), "Shell");
    if (shell.empty()) shell = {"/bin/sh", "-c"};
    return shell;
}

std::optional<std::string> ImageState::variable(const std::string& name) const {
    if (const auto found = args.find(name); found != args.end()) return found->second;
    for (const std::string& entry : env())
        if (entry.starts_with(name + "=")) return entry.substr(name.size() + 1);
    return std::nullopt;
}

std::vector<std::string> ImageState::variables() const {
    std::vector<std::string> all = env();
    std::erase_if(all, [&](const std::string& entry) {
        return args.contains(entry.substr(0, entry.find('=')));
    });
    for (const auto& [name, value] : args) all.push_back(name + "=" + value);
    return all;
}

ExpandOptions ImageState::expansion(const Instruction& instruction) const {
    return {.escape = instruction.escape,
            .lookup = [this](const std::string& name) { return variable(name); }};
}

void ImageState::make_fillable() {
    Json& words = config["config"];
    if (!words.is_object()) words = Json::object();
    for (const char* key : {"Labels", "ExposedPorts", "Volumes"})
        if (const auto found = words.find(key); found != words.end() && !found->is_object())
            words.erase(key);
    history = config.value("history", Json(Json::array()));
    if (!history.is_array()) history = Json::array();
}

void ImageState::add_history(const std::string& created_by, bool empty) {
    Json line = {{"created_by", created_by}};
    if (empty) line["empty_layer"] = true;
    history.push_back(std::move(line));
}

std::string absolute_path(const ImageState& state, const std::string& text) {
    std::string cwd = state.word("WorkingDir");
    if (cwd.empty()) cwd += '/';
    std::string path = clean_path(text.starts_with('/') ? text : cwd + "/" + text);
    const bool folder = text.ends_with('/') || text == "." || text.ends_with("/.");
    if (folder && path != "/") path += '/';
    return path;
}

Result<std::vector<std::string>> expand_all(const Instruction& instruction,
                                            const std::vector<Word>& words,
                                            const ImageState& state) {
    const ExpandOptions options = state.expansion(instruction);
    std::vector<std::string> values;
    for (const Word& word : words) {
        std::string value = TRY(expand_at(word, options));
        values.push_back(std::move(value));
    }
    return values;
}

Result<void> apply_words(const Instruction& instruction, ImageState& state) {
    Json& words = state.config["config"];
    const auto only = [&]() { return expand_all(instruction, instruction.words, state); };
    switch (instruction.keyword) {
        case Keyword::Env: TRY(apply_env(instruction, state)); break;
        case Keyword::Label: TRY(apply_labels(instruction, state)); break;
        case Keyword::Expose: TRY(apply_expose(instruction, state)); break;
        case Keyword::Volume: TRY(apply_volume(instruction, state)); break;
        case Keyword::Healthcheck: TRY(apply_health(instruction, state)); break;
        case Keyword::Stopsignal: TRY(apply_stop_signal(instruction, state)); break;
        case Keyword::Entrypoint: apply_entrypoint(instruction, state); break;
        case Keyword::Maintainer: state.config["author"] = instruction.words.front().text; break;
        case Keyword::Cmd:
            words["Cmd"] = command_of(instruction, 0, state);
            state.has_cmd = true;
            break;
        case Keyword::Shell: {
            std::vector<std::string> shell;
            for (const Word& word : instruction.words) shell.push_back(word.text);
            words["Shell"] = shell;
            break;
        }
        case Keyword::User: {
            const std::vector<std::string> value = TRY(only());
            words["User"] = value.front();
            break;
        }
        case Keyword::Workdir: {
            const std::vector<std::string> value = TRY(only());
            std::string path = absolute_path(state, value.front());
            if (path.size() > 1 && path.ends_with('/')) path.pop_back();
            words["WorkingDir"] = path;
            break;
        }
        case Keyword::Onbuild: {
            Json& triggers = words["OnBuild"];
            if (!triggers.is_array()) triggers = Json::array();
            std::string text = instruction.trigger->text;
            for (const Heredoc& heredoc : instruction.trigger->heredocs)
                text += "\n" + heredoc.body + heredoc.name;
            triggers.push_back(text);
            break;
        }
        default: break;
    }
    return {};
}

}  // namespace davit::builder
