#include "cli/render.h"

#include "base/cure.h"
#include "base/json.h"
#include "base/strings.h"
#include "cli/terminal.h"

namespace davit::cli {
namespace {

struct Label {
    std::string_view text;
    const char* sgr;
};
constexpr Label kLabels[] = {
    {"error: ", "1;31"}, {"warning: ", "1;33"}, {"note: ", "1;36"}, {"  help: ", "36"}};

/// Colours a rendered remark: labels, carets and "help:" stand out, the user's own text does not.
std::string with_colours(const std::string& text) {
    std::string result;
    for (const std::string& line : split(text, '\n')) {
        if (!result.empty()) result += '\n';
        const std::size_t bar = line.find(" | ");
        const bool under = line.starts_with("      | ");
        const bool excerpt = !under && bar == 5;
        std::string shown = line;
        if (under) shown = line.substr(0, 8) + coloured(line.substr(8), "32", true);
        for (const Label& label : kLabels) {
            const std::size_t at = line.find(label.text);
            if (under || excerpt || at == std::string::npos) continue;
            shown = coloured(line.substr(0, at), "1", at > 0) +
                    coloured(label.text, label.sgr, true) + line.substr(at + label.text.size());
            break;
        }
        result += shown;
    }
    return result;
}

std::string finished(const Diagnostic& diagnostic, bool colour) {
    const std::string text = davit::render(diagnostic);
    // Line by line, so that only our own line breaks act: files and containers chose the rest.
    std::string safe;
    for (const std::string& line : split(text, '\n')) safe += harmless(line) + '\n';
    safe.pop_back();
    return colour ? with_colours(safe) : safe;
}

}  // namespace

std::string render(const Error& error, bool colour) {
    Diagnostic diagnostic;
    diagnostic.message = error.to_string();
    diagnostic.where = error.where();
    diagnostic.help = cure_of(error);
    return finished(diagnostic, colour);
}

std::string render(const Diagnostics& diagnostics, Severity at_most, bool colour) {
    Diagnostics sorted = diagnostics;
    sorted.sort_by_place();
    std::string text;
    for (Diagnostic diagnostic : sorted.list()) {
        if (at_most == Severity::Warning) diagnostic.severity = Severity::Warning;
        text += finished(diagnostic, colour);
    }
    return text;
}

std::string render_json(const Diagnostics& diagnostics) {
    Diagnostics sorted = diagnostics;
    sorted.sort_by_place();
    const auto place = [](Json& json, const SourcePos& where) {
        if (!where) return;
        json["file"] = where.file->path;
        json["line"] = where.line;
        json["column"] = where.column;
        json["length"] = where.length;
    };
    Json list = Json::array();
    for (const Diagnostic& diagnostic : sorted.list()) {
        Json json = {{"severity", diagnostic.severity == Severity::Error ? "error" : "warning"},
                     {"message", diagnostic.message}};
        place(json, diagnostic.where);
        if (!diagnostic.help.empty()) json["help"] = diagnostic.help;
        for (const auto& [text, where] : diagnostic.notes) {
            Json note = {{"message", text}};
            place(note, where);
            json["notes"].push_back(std::move(note));
        }
        list.push_back(std::move(json));
    }
    return list.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string render_warning(const std::string& text, bool colour) {
    Diagnostic diagnostic;
    diagnostic.severity = Severity::Warning;
    diagnostic.message = text;
    return finished(diagnostic, colour);
}

std::string render(const stack::FailedStep& failed, bool colour) {
    std::string text = render(failed.error, colour);
    if (!failed.error.where() && !failed.step.place.empty())
        text = fmt::format("{}: {}", coloured(failed.step.place, "1", colour), text);
    const bool start = failed.step.kind == compose::StepKind::StartContainer;
    if (start && cure_of(failed.error).empty())
        text += fmt::format("{}see 'davit inspect {}' and its logs\n",
                            coloured("  help: ", "36", colour), failed.step.resource.name);
    return text;
}

}  // namespace davit::cli
