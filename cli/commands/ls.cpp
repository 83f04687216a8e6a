#include "base/json.h"
#include "base/strings.h"
#include "cli/commands/life.h"
#include "cli/container_rows.h"
#include "cli/exit_code.h"
#include "cli/table.h"
#include "cli/target.h"
#include "stack/boot.h"

#include <CLI/CLI.hpp>
#include <map>
#include <regex.h>
#include <set>

namespace davit::cli {
namespace {

struct ProjectRow {
    std::string name = {};
    std::string status = {};  ///< "exited(1), running(2)"
    std::string files = {};
    bool up = false;
    bool boot = false;  ///< `enable` has been called for it.
};

/// All projects of the data root, and those that are up with another one.
Result<std::map<std::string, stack::Paths>> find_projects(const stack::Paths& paths) {
    std::map<std::string, stack::Paths> projects;
    for (const std::string& name : TRY(stack::list_projects(paths))) projects[name] = paths;
    for (const std::string& name : TRY(list_directory(paths.run_root))) {
        const std::string root = stack::data_root_of_running(paths, name);
        if (root.empty()) continue;
        stack::Paths other = paths;
        other.data_root = root;
        projects[name] = other;
    }
    return projects;
}

ProjectRow row_of(const std::string& name, const std::vector<stack::ContainerView>& views) {
    ProjectRow row;
    row.name = name;
    std::map<std::string, int> counts;
    for (const stack::ContainerView& view : views) {
        ++counts[runtime::to_string(view.state.status)];
        row.up = row.up || is_up(view);
        if (row.files.empty())
            for (const std::string& file : view.record.files)
                row.files += (row.files.empty() ? "" : ",") + file;
    }
    for (const auto& [status, count] : counts)
        row.status += fmt::format("{}{}({})", row.status.empty() ? "" : ", ", status, count);
    return row;
}

/// `--filter name=REGEX`, the only one that docker compose has.
class NameFilter {
public:
    static Result<NameFilter> parse(const std::vector<std::string>& filters) {
        NameFilter filter;
        for (const std::string& text : filters) {
            constexpr std::string_view kName = "name=";
            if (!text.starts_with(kName))
                return Error(ErrorKind::InvalidInput,
                             fmt::format("invalid filter '{}'", printable(text)))
                    .help("use name=REGEX");
            filter.patterns_.push_back(text.substr(kName.size()));
            regex_t compiled{};
            if (::regcomp(&compiled, filter.patterns_.back().c_str(), REG_EXTENDED | REG_NOSUB) !=
                0)
                return Error(ErrorKind::InvalidInput,
                             fmt::format("'{}' is not a regular expression",
                                         printable(filter.patterns_.back())));
            ::regfree(&compiled);
        }
        return filter;
    }

    bool takes(const std::string& name) const {
        return patterns_.empty() ||
               std::any_of(patterns_.begin(), patterns_.end(), [&](const std::string& pattern) {
                   regex_t compiled{};
                   if (::regcomp(&compiled, pattern.c_str(), REG_EXTENDED | REG_NOSUB) != 0)
                       return false;
                   const bool matches = ::regexec(&compiled, name.c_str(), 0, nullptr, 0) == 0;
                   ::regfree(&compiled);
                   return matches;
               });
    }

private:
    std::vector<std::string> patterns_ = {};
};

}  // namespace

void declare(CLI::App& command, LsFlags& flags) {
    command.add_flag("-a,--all", flags.all, "Also projects of which nothing runs");
    command.add_flag("-q,--quiet", flags.quiet, "Only names");
    command.add_option("--format", flags.format, "table or json");
    command.add_option("--filter", flags.filters, "name=REGEX; may be repeated")
        ->allow_extra_args(false);
}

Result<int> run(const Context& context, const LsFlags& flags) {
    if (flags.format != "table" && flags.format != "json")
        return Error(ErrorKind::InvalidInput,
                     fmt::format("format value \"{}\" could not be parsed: parsing failed",
                                 printable(flags.format)))
            .help("use table or json");
    const NameFilter filter = TRY(NameFilter::parse(flags.filters));
    const TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    std::vector<std::vector<std::string>> rows = {{"NAME", "STATUS", "CONFIG FILES", "BOOT"}};
    bool any_boot = false;
    Json list = Json::array();
    std::string names;
    for (const auto& [name, paths] : TRY(find_projects(found.target->environment.paths))) {
        if (!filter.takes(name)) continue;
        ProjectRow row = row_of(name, TRY(stack::list_containers(paths, name)));
        row.boot = stack::is_enabled(context.variable("DAVIT_UNIT_ROOT"), name);
        if (row.status.empty() || (!row.up && !flags.all)) continue;
        rows.push_back({row.name, row.status, row.files, row.boot ? "enabled" : ""});
        any_boot = any_boot || row.boot;
        list.push_back({{"Name", row.name},
                        {"Status", row.status},
                        {"ConfigFiles", row.files},
                        {"Boot", row.boot ? "enabled" : "disabled"}});
        names += row.name + "\n";
    }
    // docker compose has three columns; the fourth only where it tells something.
    if (!any_boot)
        for (auto& row : rows) row.pop_back();
    TableForm form;
    form.minimum = 20;
    if (flags.quiet)
        to_stdout(names);
    else if (flags.format == "json")
        to_stdout(list.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    else
        to_stdout(render_table(rows, form));
    return kOk;
}

}  // namespace davit::cli
