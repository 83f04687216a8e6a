#include "tests/support/command.h"

#include <boost/asio.hpp>
#include <boost/process.hpp>
#include <csignal>
#include <future>
#include <sys/wait.h>

// The only file that includes Boost.Process: it costs seconds to compile.

namespace davit::testing {
namespace {

namespace bp = boost::process;

bp::environment environment_of(const Command& command) {
    bp::environment variables = boost::this_process::environment();
    for (const std::string& variable : command.environment) {
        const std::size_t equals = variable.find('=');
        variables[variable.substr(0, equals)] = variable.substr(equals + 1);
    }
    return variables;
}

std::string folder_of(const Command& command) {
    return command.folder.empty() ? std::string(".") : command.folder;
}

/// env(1) looks a plain name up along PATH; Boost's own search needs another library.
std::string program_of(const Command& command) {
    const std::string& name = command.argv.at(0);
    return name.find('/') == std::string::npos ? "/usr/bin/env" : name;
}

std::vector<std::string> arguments_of(const Command& command) {
    const bool by_env = command.argv.at(0).find('/') == std::string::npos;
    return {command.argv.begin() + (by_env ? 0 : 1), command.argv.end()};
}

/// Boost gives the raw status of waitpid(2).
int status_of(int native) {
    return WIFSIGNALED(native) ? 128 + WTERMSIG(native) : WEXITSTATUS(native);
}

}  // namespace

Outcome run(const Command& command) {
    boost::asio::io_context context;
    std::future<std::string> out;
    std::future<std::string> err;
    bp::child child(bp::exe = program_of(command), bp::args = arguments_of(command),
                    bp::start_dir = folder_of(command), environment_of(command),
                    bp::std_in<bp::null, bp::std_out> out, bp::std_err > err, context);
    context.run();
    child.wait();
    return {status_of(child.native_exit_code()), out.get(), err.get()};
}

struct Background::Process {
    bp::child child;
};

Background::Background(const Command& command, const std::string& output_file)
    : process_(
          new Process{bp::child(bp::exe = program_of(command), bp::args = arguments_of(command),
                                bp::start_dir = folder_of(command), environment_of(command),
                                bp::std_in<bp::null, (bp::std_out & bp::std_err)> output_file)}) {}

Background::~Background() {
    if (!process_->child.running()) return;
    signal(SIGKILL);
    process_->child.wait();
}

int Background::pid() const { return process_->child.id(); }

void Background::signal(int number) { ::kill(process_->child.id(), number); }

int Background::wait() {
    process_->child.wait();
    return status_of(process_->child.native_exit_code());
}

}  // namespace davit::testing
