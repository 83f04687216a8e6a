#include "cli/container_rows.h"

#include "base/duration.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "stack/inspect.h"

#include <algorithm>

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

std::string ports_text(const stack::ContainerView& view) {
    if (!is_up(view)) return {};
    std::string text;
    const auto add = [&](const std::string& port) { text += (text.empty() ? "" : ", ") + port; };
    std::vector<std::string> published;
    for (const compose::Port& port : view.record.ports) {
        const std::string target = fmt::format("{}/{}", port.target, port.protocol);
        add(fmt::format("{}:{}->{}", port.host_ip.empty() ? "0.0.0.0" : port.host_ip,
                        port.published, target));
        published.push_back(target);
    }
    for (const std::string& exposed : view.record.exposed_ports)
        if (std::find(published.begin(), published.end(), exposed) == published.end()) add(exposed);
    return text;
}

/// @source moby container/state.go State.String
std::string health_text(const runtime::Health& health) {
    if (health.status == runtime::HealthStatus::Starting) return " (health: starting)";
    return fmt::format(" ({})", runtime::to_string(health.status));
}

Json publishers(const stack::ContainerView& view) {
    Json list = Json::array();
    if (is_up(view)) {
        for (const compose::Port& port : view.record.ports)
            list.push_back({{"URL", port.host_ip.empty() ? "0.0.0.0" : port.host_ip},
                            {"TargetPort", port.target},
                            {"PublishedPort", port.published},
                            {"Protocol", port.protocol}});
    }
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
