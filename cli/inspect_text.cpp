#include "cli/inspect_text.h"

#include "cli/template.h"
#include "cli/terminal.h"

namespace davit::cli {
namespace {

/// @source moby api/types/container State, MountPoint; api/types/image InspectResponse
std::map<std::string, Json> omitted_fields() {
    std::map<std::string, Json> fields;
    for (const char* name : {"Health", "Healthcheck", "Entrypoint", "Cmd", "Env", "Labels",
                             "ExposedPorts", "Volumes", "OnBuild", "Shell"})
        fields[name] = nullptr;
    for (const char* name : {"Name", "Driver", "User", "WorkingDir", "StopSignal", "Variant"})
        fields[name] = "";
    return fields;
}

}  // namespace

Result<void> inspect_text(const std::string& format, const Json& all, std::string& text) {
    constexpr int kIndent = 4;
    if (format.empty() || format == "json") {
        text +=
            all.dump(format.empty() ? kIndent : -1, ' ', false, Json::error_handler_t::replace) +
            "\n";
        return {};
    }
    const Template filled = TRY(Template::parse(format));
    TemplateOptions options;
    options.optional_fields = omitted_fields();
    for (const Json& one : all) text += TRY(filled.fill(one, options)) + "\n";
    return {};
}

Result<void> show_inspected(const std::string& format, const Json& all) {
    std::string text;
    Result<void> made = inspect_text(format, all, text);
    to_stdout(text);
    return made;
}

}  // namespace davit::cli
