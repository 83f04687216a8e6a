#include "cli/completions.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::cli {
namespace {

/// Text that roff takes as it stands: no escapes, no requests, hyphens that can be copied.
std::string plain(const std::string& text) {
    std::string safe;
    for (const char c : text) {
        if (c == '\\')
            safe += "\\e";
        else if (c == '-')
            safe += "\\-";
        else
            safe += c;
    }
    if (safe.starts_with('.') || safe.starts_with('\'')) safe.insert(0, "\\&");
    return safe;
}

std::string page_name(const std::string& path) {
    std::string name = path.empty() ? "davit" : "davit-" + path;
    std::replace(name.begin(), name.end(), ' ', '-');
    return name;
}

std::string heading(const std::string& name, const std::string& about, const std::string& version) {
    std::string upper = name;
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return fmt::format(".TH {} 1 \"\" \"davit {}\" \"davit manual\"\n.SH NAME\n{} \\- {}\n",
                       plain(upper), version, plain(name), plain(about));
}

std::string flags_text(const std::vector<FlagInfo>& flags) {
    std::string text;
    for (const FlagInfo& flag : flags) {
        if (flag.hidden) continue;
        std::string names;
        for (const std::string& name : flag.names)
            names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", plain(name));
        if (!flag.value.empty()) names += fmt::format(" \\fI{}\\fR", plain(flag.value));
        text += fmt::format(".TP\n{}\n{}\n", names, plain(flag.about));
        if (!flag.choices.empty())
            text += fmt::format("One of {}.\n",
                                plain(fmt::format("{}", fmt::join(flag.choices, ", "))));
    }
    return text;
}

std::string examples_text(const std::string& path) {
    std::string text;
    for (const Example& example : examples_of(path))
        text += fmt::format(".TP\n\\fB{}\\fR\n{}\n", plain(example.line), plain(example.about));
    return text.empty() ? text : ".SH EXAMPLES\n" + text;
}

ManualPage page_of(const Catalog& catalog, const CommandInfo& command, const std::string& version) {
    const std::string name = page_name(command.path);
    std::string text = heading(name, command.about, version);
    text += ".SH SYNOPSIS\n\\fB" + plain(usage_of(command)) + "\\fR\n";
    text += ".SH DESCRIPTION\n" + plain(command.about) + ".\n";
    if (!command.commands.empty()) {
        text += ".SH COMMANDS\n";
        for (const CommandInfo& inner : catalog.commands)
            if (inner.path.starts_with(command.path + " "))
                text += fmt::format(".TP\n\\fB{}\\fR(1)\n{}\n", plain(page_name(inner.path)),
                                    plain(inner.about));
    }
    if (!command.arguments.empty()) {
        text += ".SH ARGUMENTS\n";
        for (const ArgumentInfo& argument : command.arguments)
            text +=
                fmt::format(".TP\n\\fI{}\\fR\n{}\n", plain(argument.name), plain(argument.about));
    }
    const std::string flags = flags_text(command.flags);
    if (!flags.empty()) text += ".SH OPTIONS\n" + flags;
    text += "Flags that all commands take are in \\fBdavit\\fR(1).\n";
    text += examples_text(command.path) + ".SH SEE ALSO\n\\fBdavit\\fR(1)\n";
    return {name + ".1", text};
}

constexpr const char* kRest = R"(.SH ENVIRONMENT
.TP
\fBDAVIT_DATA_ROOT\fR
Where images, volumes and containers are kept, unless \fB\-\-data\-root\fR says.
.TP
\fBCOMPOSE_FILE\fR, \fBCOMPOSE_PROJECT_NAME\fR, \fBCOMPOSE_PROFILES\fR, \fBCOMPOSE_ENV_FILES\fR
As with Docker Compose.
.TP
\fBCOMPOSE_PROGRESS\fR, \fBCOMPOSE_ANSI\fR, \fBCOMPOSE_PARALLEL_LIMIT\fR
Values of \fB\-\-progress\fR, \fB\-\-ansi\fR and \fB\-\-parallel\fR where these are not given.
.TP
\fBNO_COLOR\fR
Set and not empty: no colours.
.SH EXIT STATUS
.TP
0
All went well.
.TP
1
Something failed.
.TP
2
\fBplan \-\-detailed\-exitcode\fR: there is something to do.
.TP
14
There is no compose file.
.TP
15
The compose file has mistakes.
.TP
16
The command or a flag is not known.
.TP
130
Interrupted.
.PP
\fBexec\fR, \fBrun\fR and \fBwait\fR exit with the status of the program.
.SH FILES
.TP
\fI/etc/davit/config.yaml\fR
Settings of this host.
.TP
\fI/var/lib/davit\fR
Images, volumes, logs and records.
.TP
\fI/run/davit\fR
What is gone after a reboot.
)";

ManualPage main_page(const Catalog& catalog, const std::string& version) {
    std::string text =
        heading("davit", "run Compose files on this host, without a daemon", version);
    text += ".SH SYNOPSIS\n\\fBdavit\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR ...\n";
    text += ".SH DESCRIPTION\n" + plain(catalog.about) + "\n";
    text += ".SH COMMANDS\n";
    for (const CommandInfo& command : catalog.commands)
        if (!command.hidden && command.path.find(' ') == std::string::npos)
            text += fmt::format(".TP\n\\fB{}\\fR(1)\n{}\n", plain(page_name(command.path)),
                                plain(command.about));
    text +=
        ".SH OPTIONS\nThese stand before the command or after it.\n" + flags_text(catalog.globals);
    return {"davit.1", text + kRest + examples_text("")};
}

}  // namespace

std::vector<ManualPage> manual_pages(const Catalog& catalog, const std::string& version) {
    std::vector<ManualPage> pages = {main_page(catalog, version)};
    for (const CommandInfo& command : catalog.commands)
        if (!command.hidden) pages.push_back(page_of(catalog, command, version));
    return pages;
}

}  // namespace davit::cli
