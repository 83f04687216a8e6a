#include "cli/container_rows.h"

#include "base/duration.h"
#include "base/strings.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "stack/inspect.h"

#include <algorithm>
#include <compare>
#include <set>

namespace davit::cli {
namespace {

using runtime::Status;

constexpr std::size_t kCommandWidth = 20;

std::string since(const std::string& time, TimePoint now) {
    const auto parsed = parse_rfc3339(time);
    if (!parsed) return {};
    const auto gone = std::chrono::duration_cast<std::chrono::seconds>(now - *parsed);
    return human_duration(std::max(gone, std::chrono::seconds(0)));
}

/// The command line in quotes, cut to 20 characters with an ellipsis, as Docker does.
std::string command_text(const stack::ContainerRecord& record, bool whole) {
    std::string words;
    for (const auto* list : {&record.entrypoint, &record.cmd})
        for (const std::string& word : *list) words += (words.empty() ? "" : " ") + word;
    if (!whole && width_of(words) > kCommandWidth) {
        std::size_t end = 0;
        for (std::size_t width = 0; end < words.size(); ++end) {
            const bool begins = (static_cast<unsigned char>(words[end]) & 0xc0U) != 0x80;
            if (begins && ++width == kCommandWidth) break;
        }
        words = words.substr(0, end) + "…";
    }
    return "\"" + harmless(words) + "\"";
}

/// A port as Docker lists it.
struct Publisher {
    std::string url = {};  ///< Empty: it is exposed, and published nowhere.
    int target = 0;
    int published = 0;
    std::string protocol = {};
    auto operator<=>(const Publisher&) const = default;
};

/// Those that are published and those that are told of, in Docker Compose's order; none where it
/// doesn't run. @source docker/compose pkg/api PortPublishers.Less
std::vector<Publisher> publishers_of(const stack::ContainerView& view) {
    std::vector<Publisher> list;
    if (!is_up(view)) return list;
    std::set<std::pair<int, std::string>> published;
    for (const compose::Port& port : view.record.ports) {
        list.push_back({port.host_ip.empty() ? "0.0.0.0" : port.host_ip, port.target,
                        port.published, port.protocol});
        published.emplace(port.target, port.protocol);
    }
    for (const std::string& exposed : view.record.exposed_ports) {
        const std::size_t slash = exposed.find('/');
        const std::string protocol = slash == std::string::npos ? "tcp" : exposed.substr(slash + 1);
        const int target = static_cast<int>(parse_integer(exposed.substr(0, slash)).value_or(0));
        if (target != 0 && published.emplace(target, protocol).second)
            list.push_back({"", target, 0, protocol});
    }
    std::sort(list.begin(), list.end());
    return list;
}

/// "0.0.0.0:8081-8082->81-82/tcp": ports that follow each other are one range.
/// @source docker/compose cmd/formatter DisplayablePorts
std::string ports_text(const stack::ContainerView& view) {
    const std::vector<Publisher> list = publishers_of(view);
    std::string text;
    for (std::size_t begin = 0; begin < list.size();) {
        const Publisher& first = list[begin];
        std::size_t end = begin + 1;
        const auto follows = [&](const Publisher& next, const Publisher& last) {
            const bool on_host = first.published == 0 || next.published == last.published + 1;
            return next.url == first.url && next.protocol == first.protocol && on_host &&
                   next.target == last.target + 1;
        };
        while (end < list.size() && follows(list[end], list[end - 1])) ++end;
        const Publisher& last = list[end - 1];
        const auto range = [&](int from, int to) {
            return to > from ? fmt::format("{}-{}", from, to) : fmt::format("{}", from);
        };
        if (!text.empty()) text += ", ";
        if (first.published != 0)
            text += fmt::format("{}:{}->", first.url, range(first.published, last.published));
        text += fmt::format("{}/{}", range(first.target, last.target), first.protocol);
        begin = end;
    }
    return text;
}

/// @source moby container/state.go State.String
std::string health_text(const runtime::Health& health) {
    if (health.status == runtime::HealthStatus::Starting) return " (health: starting)";
    return fmt::format(" ({})", runtime::to_string(health.status));
}

Json publishers(const stack::ContainerView& view) {
    Json list = Json::array();
    for (const Publisher& port : publishers_of(view))
        list.push_back({{"URL", port.url},
                        {"TargetPort", port.target},
                        {"PublishedPort", port.published},
                        {"Protocol", port.protocol}});
    return list.empty() ? Json(nullptr) : list;
}

template <typename Items, typename Text>
std::string joined(const Items& items, Text text_of) {
    std::string text;
    for (const auto& item : items) text += (text.empty() ? "" : ",") + text_of(item);
    return text;
}

}  // namespace

bool is_up(const stack::ContainerView& view) {
    return view.state.status == Status::Running || view.state.status == Status::Paused ||
           view.state.status == Status::Restarting;
}

std::string ago(const std::string& time, TimePoint now) {
    const std::string text = since(time, now);
    return text.empty() ? "N/A" : text + " ago";
}

std::string docker_time(const std::string& time) {
    // "2026-11-23T21:42:52.6Z": the parts that are wanted stand at fixed places.
    if (!parse_rfc3339(time)) return {};
    return fmt::format("{} {} +0000 UTC", time.substr(0, 10), time.substr(11, 8));
}

std::string status_text(const stack::ContainerView& view, TimePoint now) {
    const runtime::ContainerState& state = view.state;
    const std::string up = "Up " + since(state.started_at, now);
    switch (state.status) {
        case Status::Created: return "Created";
        case Status::Running:
            if (!view.supervised) return up + " (unsupervised)";
            return state.health ? up + health_text(*state.health) : up;
        case Status::Paused: return up + " (Paused)";
        case Status::Restarting:
            return fmt::format("Restarting ({}) {}", state.exit_code, ago(state.finished_at, now));
        case Status::Exited:
            return fmt::format("Exited ({}) {}", state.exit_code, ago(state.finished_at, now));
    }
    return {};
}

Json container_row(const stack::ContainerView& view, TimePoint now, bool whole) {
    const stack::ContainerRecord& record = view.record;
    const auto label = [](const auto& pair) { return pair.first + "=" + pair.second; };
    const auto mount = [](const stack::MountRecord& m) {
        return m.type == "volume" ? m.name : m.source;
    };
    // Configs and secrets are files of davit's own.
    std::vector<stack::MountRecord> mounts = record.mounts;
    std::erase_if(mounts, [](const stack::MountRecord& m) { return m.file; });
    const auto volumes =
        std::count_if(record.mounts.begin(), record.mounts.end(),
                      [](const stack::MountRecord& m) { return m.type == "volume"; });
    return {
        {"Command", command_text(record, whole)},
        {"CreatedAt", docker_time(record.created)},
        {"ExitCode", view.state.exit_code},
        {"Health", view.state.health ? runtime::to_string(view.state.health->status) : ""},
        {"ID", whole ? record.id : record.id.substr(0, kIdDigits)},
        {"Image", record.image},
        {"Labels", joined(stack::compose_labels(record), label)},
        {"LocalVolumes", std::to_string(volumes)},
        {"Mounts", joined(mounts, mount)},
        {"Name", record.name},
        {"Names", record.name},
        {"Networks", joined(record.endpoints, [](const stack::Endpoint& e) { return e.network; })},
        {"Ports", ports_text(view)},
        {"Project", record.project},
        {"Publishers", publishers(view)},
        {"RunningFor", ago(record.created, now)},
        {"Service", record.service},
        {"Size", "0B"},
        {"State", runtime::to_string(view.state.status)},
        {"Status", status_text(view, now)}};
}

std::string container_table(const std::vector<stack::ContainerView>& views, TimePoint now,
                            bool whole) {
    std::vector<std::vector<std::string>> rows = {
        {"NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"}};
    for (const stack::ContainerView& view : views)
        rows.push_back({view.record.name, view.record.image, command_text(view.record, whole),
                        view.record.service, ago(view.record.created, now), status_text(view, now),
                        ports_text(view)});
    return render_table(rows);
}

}  // namespace davit::cli
