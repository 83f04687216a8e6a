#include "base/strings.h"
#include "cli/commands/life.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/selection.h"
#include "stack/copy.h"
#include "stack/copy_tar.h"

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <unistd.h>

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

/// The containers that something is copied into: all of a service, as docker compose has it.
Result<std::vector<stack::ContainerView>> targets(const Target& target, const std::string& service,
                                                  const CopyFlags& flags) {
    std::vector<stack::ContainerView> views;
    if (flags.index == 0 && !target.project.empty()) {
        views = TRY(stack::list_containers(target.environment.paths, target.project));
        std::erase_if(views, [&](const stack::ContainerView& view) {
            return view.record.service != service || (view.record.one_off && !flags.all);
        });
    }
    if (views.empty()) views.push_back(TRY(one_container(target, service, flags.index)));
    return views;
}

stack::CopyRequest request_of(const CopyFlags& flags) {
    stack::CopyRequest request;
    request.archive = flags.archive;
    request.follow_link = flags.follow_link;
    return request;
}

Result<int> copy_from(const Context& context, const CopyFlags& flags,
                      const stack::ContainerView& view, const Side& from, const Side& to) {
    if (to.path == "-") {
        if (context.terminal.out_is_terminal)
            return Error(ErrorKind::InvalidInput, "a tar is nothing for a terminal")
                .help("send it into a file or a pipe: davit cp … - > FILE");
        // Not closed with the sink: standard output is everybody's.
        image::FileSink sink(UniqueFd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)));
        TRY(stack::copy_out_tar(view, from.path, flags.follow_link, sink));
        TRY(sink.flush());
        return kOk;
    }
    stack::CopyRequest request = request_of(flags);
    request.from = from.path;
    request.to = join_path(context.working_dir, to.path);
    const std::string told =
        fmt::format(" {} copy {} to {} ", harmless(view.record.name),
                    harmless(view.record.name + ":" + from.path), harmless(flags.destination));
    to_stderr(told + "Copying\n");
    TRY(stack::copy_out(view, request));
    to_stderr(told + "Copied\n");
    return kOk;
}

Result<void> copy_to(const Context& context, const CopyFlags& flags,
                     const stack::ContainerView& view, const Side& from, const Side& to) {
    const std::string told =
        fmt::format(" {} copy {} to {} ", harmless(view.record.name), harmless(flags.source),
                    harmless(view.record.name + ":" + to.path));
    to_stderr(told + "Copying\n");
    if (from.path == "-") {
        const auto source =
            image::read_descriptor(UniqueFd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)));
        TRY(stack::copy_in_tar(view, to.path, flags.archive, *source));
    } else {
        stack::CopyRequest request = request_of(flags);
        request.from = join_path(context.working_dir, from.path);
        request.to = to.path;
        TRY(stack::copy_in(view, request));
    }
    to_stderr(told + "Copied\n");
    return {};
}

}  // namespace

void declare(CLI::App& command, CopyFlags& flags) {
    command.add_flag("-a,--archive", flags.archive, "Keep owners");
    command.add_flag("-L,--follow-link", flags.follow_link, "Copy what a link leads to");
    command.add_flag("--all", flags.all, "Also into containers of 'run'");
    command.add_option("--index", flags.index, "Which container of the service")
        ->check(CLI::PositiveNumber);
    command
        .add_option("SRC", flags.source,
                    "SERVICE:PATH, a path on the host, or - for a tar on standard input")
        ->required();
    command
        .add_option("DEST", flags.destination,
                    "A path on the host, SERVICE:PATH, or - for a tar on standard output")
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
    if (out) {
        const stack::ContainerView view =
            TRY(one_container(*found.target, from.service, flags.index));
        if (context.globals.dry_run)
            return tell_intents({{'~', "copy", "files", flags.destination,
                                  fmt::format("from {}:{}", view.record.name, from.path)}});
        return copy_from(context, flags, view, from, to);
    }
    if (to.path.empty()) return Error(ErrorKind::InvalidInput, "destination path is empty");
    const std::vector<stack::ContainerView> views = TRY(targets(*found.target, to.service, flags));
    if (from.path == "-" && views.size() > 1)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("service '{}' has {} containers, and standard input can be read "
                                 "once",
                                 to.service, views.size()))
            .help("choose one of them with --index");
    if (context.globals.dry_run) {
        std::vector<Intent> intents;
        for (const stack::ContainerView& view : views)
            intents.push_back({'~', "copy", "files", view.record.name + ":" + to.path,
                               fmt::format("from {}", flags.source)});
        return tell_intents(intents);
    }
    for (const stack::ContainerView& view : views) TRY(copy_to(context, flags, view, from, to));
    return kOk;
}

}  // namespace davit::cli
