#include "stack/log_target.h"

#include <algorithm>
#include <array>
#include <climits>
#include <fmt/format.h>
#include <unistd.h>

namespace davit::stack {
namespace {

constexpr std::size_t kShortId = 12;

std::string option(const ContainerRecord& record, const char* name, const char* otherwise) {
    const auto found = record.logging.options.find(name);
    return found == record.logging.options.end() ? std::string(otherwise) : found->second;
}

Error refused(const ContainerRecord& record, const char* name, const std::string& value,
              const char* help) {
    return Error(ErrorKind::InvalidInput, fmt::format("logging option '{}: {}' of '{}' is unknown",
                                                      name, value, record.service))
        .help(help);
}

/// `tag` with Docker's templates in it. @source moby daemon/logger/loggerutils/log_tag.go
Result<std::string> tag_of(const ContainerRecord& record) {
    std::string tag = option(record, "tag", "{{.ID}}");
    const std::pair<std::string, std::string> words[] = {
        {"{{.ID}}", record.id.substr(0, kShortId)},
        {"{{.FullID}}", record.id},
        {"{{.Name}}", record.name},
        {"{{.ImageName}}", record.image},
        {"{{.ImageID}}", record.image_id.substr(0, kShortId)},
        {"{{.DaemonName}}", "davit"}};
    for (const auto& [word, value] : words) {
        for (std::size_t at = tag.find(word); at != std::string::npos;
             at = tag.find(word, at + value.size()))
            tag.replace(at, word.size(), value);
    }
    if (tag.find("{{") != std::string::npos)
        return refused(record, "tag", tag,
                       "use {{.ID}}, {{.FullID}}, {{.Name}}, {{.ImageName}} or {{.ImageID}}");
    return tag;
}

/// @source syslog(3)
Result<int> facility_of(const ContainerRecord& record) {
    constexpr std::array<std::string_view, 24> kNames = {
        "kern",   "user",   "mail",     "daemon", "auth",   "syslog", "lpr",    "news",
        "uucp",   "cron",   "authpriv", "ftp",    "",       "",       "",       "",
        "local0", "local1", "local2",   "local3", "local4", "local5", "local6", "local7"};
    const std::string name = option(record, "syslog-facility", "daemon");
    const auto found = std::find(kNames.begin(), kNames.end(), name);
    if (name.empty() || found == kNames.end())
        return refused(record, "syslog-facility", name, "use a name such as daemon or local0");
    return static_cast<int>(found - kNames.begin());
}

Result<std::string> address_of(const ContainerRecord& record) {
    const std::string text = option(record, "syslog-address", "unix:///dev/log");
    for (const std::string_view prefix : {"unix://", "unixgram://", "udp://"})
        if (text.starts_with(prefix) && text.size() > prefix.size())
            return text.substr(prefix.size());
    return refused(record, "syslog-address", text,
                   "use udp://ADDRESS:PORT, or unixgram:///dev/log");
}

std::string host_name() {
    std::array<char, HOST_NAME_MAX + 1> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace

Result<std::optional<runtime::LogTarget>> log_target_of(const ContainerRecord& record) {
    using Target = std::optional<runtime::LogTarget>;
    const std::string& driver = record.logging.driver;
    if (driver != "journald" && driver != "syslog") return Target();
    runtime::LogTarget target;
    target.tag = TRY(tag_of(record));
    if (driver == "journald") {
        target.kind = runtime::LogTarget::Kind::Journald;
        target.address = "/run/systemd/journal/socket";
        target.fields = {{"CONTAINER_ID", record.id.substr(0, kShortId)},
                         {"CONTAINER_ID_FULL", record.id},
                         {"CONTAINER_NAME", record.name},
                         {"IMAGE_NAME", record.image}};
        return Target(std::move(target));
    }
    target.facility = TRY(facility_of(record));
    target.address = TRY(address_of(record));
    const std::string format = option(record, "syslog-format", "rfc3164");
    if (format != "rfc3164" && format != "rfc5424" && format != "rfc5424micro")
        return refused(record, "syslog-format", format, "use rfc3164 or rfc5424");
    target.rfc5424 = format != "rfc3164";
    // The one on this host knows where it is.
    if (!target.address.starts_with('/') || target.rfc5424) target.hostname = host_name();
    return Target(std::move(target));
}

}  // namespace davit::stack
