#include "tests/support/pty.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace davit::testing {
namespace {

constexpr std::chrono::seconds kPatience(10);
using Clock = std::chrono::steady_clock;

[[noreturn]] void execute(const Command& command) {
    if (!command.folder.empty() && ::chdir(command.folder.c_str()) == -1) ::_exit(126);
    for (const std::string& variable : command.environment) {
        const std::size_t equals = variable.find('=');
        ::setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
    }
    std::vector<char*> argv;
    for (const std::string& word : command.argv) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    ::execvp(argv.front(), argv.data());
    ::_exit(127);
}

}  // namespace

OnTerminal::OnTerminal(const Command& command) {
    winsize size{};
    size.ws_row = 24;
    size.ws_col = 80;
    pid_ = ::forkpty(&master_, nullptr, nullptr, &size);
    if (pid_ == 0) execute(command);
}

OnTerminal::~OnTerminal() {
    if (!ended_ && pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    if (master_ >= 0) ::close(master_);
}

void OnTerminal::type(const std::string& bytes) const {
    [[maybe_unused]] const ssize_t put = ::write(master_, bytes.data(), bytes.size());
}

void OnTerminal::resize(unsigned short rows, unsigned short columns) const {
    winsize size{};
    size.ws_row = rows;
    size.ws_col = columns;
    ::ioctl(master_, TIOCSWINSZ, &size);
}

/// False at the end of the terminal.
bool OnTerminal::read_some(int patience_ms) {
    pollfd readable{master_, POLLIN, 0};
    if (::poll(&readable, 1, patience_ms) <= 0) return true;
    char buffer[4096];
    const ssize_t got = ::read(master_, buffer, sizeof buffer);
    if (got > 0) screen_.append(buffer, static_cast<std::size_t>(got));
    return got > 0 || (got == -1 && errno == EINTR);
}

bool OnTerminal::sees(const std::string& text) {
    const auto until = Clock::now() + kPatience;
    while (screen_.find(text) == std::string::npos) {
        if (Clock::now() > until || !read_some(50)) break;
    }
    return screen_.find(text) != std::string::npos;
}

int OnTerminal::wait() {
    const auto until = Clock::now() + kPatience;
    int status = 0;
    while (Clock::now() < until) {
        const bool open = read_some(20);
        if (::waitpid(pid_, &status, open ? WNOHANG : 0) != pid_) continue;
        ended_ = true;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    return -1;
}

}  // namespace davit::testing
