#include "base/strings.h"
#include "cli/commands/life.h"
#include "cli/exit_code.h"
#include "cli/selection.h"
#include "stack/copy.h"

#include <CLI/CLI.hpp>

namespace davit::cli {
namespace {

/// "web:/etc/hosts"; without a service the path is the host's.
struct Side {
    std::string service = {};
    std::string path = {};
};

/// @source docker/cli cp: a path that begins with '/' or '.' is the host's, whatever colons it has.
Side parse_side(const std::string& word) {
    const std::size_t colon = word.find(':');
    if (word.starts_with('/') || word.starts_with('.') || colon == std::string::npos || colon == 0)
        return {"", word};
    return {word.substr(0, colon), word.substr(colon + 1)};
}

}  // namespace

void declare(CLI::App& command, CopyFlags& flags) {
    command.add_flag("-a,--archive", flags.archive, "Keep owners");
    command.add_flag("-L,--follow-link", flags.follow_link, "Copy what a link leads to");
    command.add_flag("--all", flags.all, "Accepted, without effect");
    command.add_option("--index", flags.index, "Which container of the service")
        ->check(CLI::PositiveNumber);
    command.add_option("SRC", flags.source, "SERVICE:PATH, or a path on the host")->required();
    command.add_option("DEST", flags.destination, "A path on the host, or SERVICE:PATH")
        ->required();
}

Result<int> run(const Context& context, const CopyFlags& flags) {
    const Side from = parse_side(flags.source);
    const Side to = parse_side(flags.destination);
    if (from.service.empty() == to.service.empty())
        return Error(ErrorKind::InvalidInput, from.service.empty()
                                                  ? "unknown copy direction"
                                                  : "copying between services is not supported")
            .help("write one side as SERVICE:PATH");
    const TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    const bool out = !from.service.empty();
    const stack::ContainerView view =
        TRY(one_container(*found.target, out ? from.service : to.service, flags.index));
    stack::CopyRequest request;
    request.archive = flags.archive;
    request.follow_link = flags.follow_link;
    const std::string here = join_path(context.working_dir, out ? to.path : from.path);
    request.from = out ? from.path : here;
    request.to = out ? here : to.path;
    const std::string told =
        fmt::format(" {} copy {} to {} ", harmless(view.record.name),
                    out ? harmless(view.record.name + ":" + from.path) : harmless(flags.source),
                    out ? harmless(flags.destination) : harmless(view.record.name + ":" + to.path));
    to_stderr(told + "Copying\n");
    TRY(out ? stack::copy_out(view, request) : stack::copy_in(view, request));
    to_stderr(told + "Copied\n");
    return kOk;
}

}  // namespace davit::cli
