#include "base/strings.h"
#include "image/credentials.h"

#include <boost/process.hpp>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <iterator>
#include <string>
#include <unistd.h>
#include <vector>

// With stack/ssh_agents.cpp the only file that includes Boost.Process: it costs seconds to compile.

namespace davit::image {
namespace {

/// A helper that ends without reading, such as one that isn't there, must not end davit as well.
class SigpipeHeld {
public:
    SigpipeHeld() {
        ::sigemptyset(&sigpipe_);
        ::sigaddset(&sigpipe_, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
    }
    ~SigpipeHeld() {
        const timespec at_once{};
        (void)::sigtimedwait(&sigpipe_, nullptr, &at_once);
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    SigpipeHeld(const SigpipeHeld&) = delete;
    SigpipeHeld& operator=(const SigpipeHeld&) = delete;

private:
    sigset_t sigpipe_{};
    sigset_t before_{};
};

/// A pipe that no other program inherits. Pulls run side by side: a helper that had the writing end
/// of its neighbour's input, which reads to the end, would keep it from ever ending.
Result<boost::process::pipe> closing_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == -1) return Error::from_errno(errno, "pipe2(2)");
    return boost::process::pipe(ends[0], ends[1]);
}

}  // namespace

Result<std::string> run_credential_helper(const std::string& name, const std::string& verb,
                                          const std::string& input) {
    namespace bp = boost::process;
    // The name comes from a file that others may have written: it is no path.
    if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
                                               "YZ0123456789-_.") != std::string::npos)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' is no name of a credential helper", printable(name)));
    const std::string program = "docker-credential-" + name;
    try {
        bp::opstream in(TRY(closing_pipe()));
        bp::ipstream out(TRY(closing_pipe()));
        // env(1) looks the program up along PATH; Boost's own search needs another library.
        bp::child child("/usr/bin/env", std::vector<std::string>{program, verb},
                        bp::std_in<in, bp::std_out> out, bp::std_err > bp::null);
        {
            const SigpipeHeld held;
            in << input << "\n";
            in.flush();
            in.pipe().close();
        }
        const std::string said{std::istreambuf_iterator<char>(out), {}};
        child.wait();
        const std::string text(trim(said));
        if (child.exit_code() == 127)
            return Error(ErrorKind::NotFound, fmt::format("there is no program '{}'", program))
                .help("install it, or take it out of the configuration file");
        if (child.exit_code() != 0)
            return Error(ErrorKind::System,
                         fmt::format("'{}' said: {}", program, printable(text.substr(0, 200))));
        return text;
    } catch (const std::exception& problem) {
        return Error(ErrorKind::System, fmt::format("run '{}': {}", program, problem.what()));
    }
}

}  // namespace davit::image
