#include "stack/doctor.h"

#include "base/json.h"
#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/target.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>

namespace davit::cli {
namespace {

using stack::Finding;
using stack::Health;

const char* colour_of(Health health) {
    switch (health) {
        case Health::Good: return "\x1b[32m";
        case Health::Warning: return "\x1b[33m";
        case Health::Problem: break;
    }
    return "\x1b[31m";
}

std::string text_of(const std::vector<Finding>& findings, bool colour) {
    std::string text;
    for (const Finding& finding : findings) {
        const std::string word = fmt::format("{:<7}", to_string(finding.health));
        text += fmt::format("{}{}{}  {}: {}\n", colour ? colour_of(finding.health) : "", word,
                            colour ? "\x1b[0m" : "", finding.subject, finding.message);
        if (!finding.cure.empty()) text += fmt::format("         {}\n", finding.cure);
    }
    return text;
}

std::string json_of(const std::vector<Finding>& findings) {
    Json list = Json::array();
    for (const Finding& finding : findings)
        list.push_back({{"health", to_string(finding.health)},
                        {"subject", finding.subject},
                        {"message", finding.message},
                        {"cure", finding.cure}});
    return list.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

void declare(CLI::App& command, DoctorFlags& flags) {
    command.add_option("--format", flags.format, "text or json")
        ->check(CLI::IsMember({"text", "json"}));
}

Result<int> run(const Context& context, const DoctorFlags& flags) {
    stack::Environment environment;
    environment.paths.run_root = run_root(context);
    environment.paths.data_root = TRY(image_data_root(context));
    environment.address_pools = TRY(read_host_config()).address_pools;
    const std::vector<Finding> findings = stack::examine(TRY(stack::gather_facts(environment)));
    to_stdout(flags.format == "json" ? json_of(findings)
                                     : text_of(findings, context.terminal.out_colour));
    const bool ill = std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
        return finding.health == Health::Problem;
    });
    return ill ? kFailed : kOk;
}

}  // namespace davit::cli
