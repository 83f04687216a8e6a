#include "cli/data_root.h"

#include "base/bytes.h"
#include "base/strings.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/interrupts.h"
#include "cli/render.h"
#include "cli/selection.h"
#include "stack/move_data.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <fmt/format.h>

namespace davit::cli {
namespace {

/// One line that is painted over, on a terminal; elsewhere a line for each part of the work.
class MoveView {
public:
    explicit MoveView(bool terminal) : terminal_(terminal) {}

    void show(const std::string& what, std::int64_t done, std::int64_t total) {
        if (!terminal_) {
            if (what != what_) to_stderr(what + "\n");
            what_ = what;
            return;
        }
        const auto now = std::chrono::steady_clock::now();
        if (what == what_ && now - painted_ < std::chrono::milliseconds(100)) return;
        what_ = what;
        painted_ = now;
        const std::string amount =
            total == 0 ? "" : fmt::format(" {} of {}", format_bytes(done), format_bytes(total));
        to_stderr(fmt::format("\r\x1b[K{}{}", what, amount));
    }
    void end() const {
        if (terminal_ && !what_.empty()) to_stderr("\r\x1b[K");
    }

private:
    bool terminal_;
    std::string what_;
    std::chrono::steady_clock::time_point painted_ = {};
};

}  // namespace

void declare(CLI::App& command, DataRootMoveFlags& flags) {
    command.add_option("NEW", flags.to, "Folder that isn't there yet, or is empty")->required();
}

Result<int> run(const Context& context, const DataRootMoveFlags& flags) {
    const Interrupts interrupts = TRY(Interrupts::install(2));
    stack::MoveRequest request;
    request.paths.data_root = TRY(image_data_root(context));
    request.paths.run_root = run_root(context);
    request.to = join_path(context.working_dir, flags.to);
    if (context.globals.dry_run)
        return tell_intents({{'~', "move", "data root", request.paths.data_root,
                              fmt::format("to {}", request.to)}});
    request.cancelled = [] { return Interrupts::count() > 0; };
    MoveView view(context.terminal.err_is_terminal && context.globals.ansi != "never");
    if (context.globals.progress != "quiet")
        request.on_progress = [&](const char* what, std::int64_t done, std::int64_t total) {
            view.show(what, done, total);
        };
    const Result<stack::Moved> moved = stack::move_data_root(request);
    view.end();
    if (!moved) return moved.error();
    if (moved->was_there)
        to_stdout(fmt::format("'{}' is in '{}' already\n", request.paths.data_root, request.to));
    else
        to_stdout(fmt::format("moved {} to '{}'; '{}' is a link to it now\n",
                              format_bytes(moved->bytes), request.to, request.paths.data_root));
    return kOk;
}

}  // namespace davit::cli
