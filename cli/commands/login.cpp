#include "image/login.h"

#include "base/strings.h"
#include "base/sys.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/interrupts.h"
#include "cli/registries.h"
#include "cli/render.h"

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

namespace davit::cli {
namespace {

Error nothing_given(const char* what) {
    return Error(ErrorKind::InvalidInput, fmt::format("no {} is given", what))
        .help("use -u NAME and --password-stdin");
}

/// One line of standard input, without its end. @errors InvalidInput where there is none; Cancelled
/// at Ctrl-C
Result<std::string> read_line(const char* what, const Interrupts& interrupts) {
    std::string text;
    for (;;) {
        pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {interrupts.fd(), POLLIN, 0}};
        if (::poll(fds, 2, -1) == -1 && errno != EINTR) return Error::from_errno(errno, "poll(2)");
        if (Interrupts::count() > 0) return Error(ErrorKind::Cancelled, "asking for a login");
        if (fds[0].revents == 0) continue;
        char c = 0;
        const ssize_t got = ::read(STDIN_FILENO, &c, 1);
        if (got == 1 && c != '\n') {
            text += c;
            continue;
        }
        if (got != 1 && text.empty()) return nothing_given(what);
        if (text.ends_with('\r')) text.pop_back();
        return text;
    }
}

/// All of standard input but the end of its last line: a key may have many.
/// @source docker/cli cli/command/registry/login.go
Result<std::string> read_all_input() {
    constexpr std::size_t kMost = 1U << 20U;
    std::string text;
    std::array<char, 4096> buffer{};
    ssize_t got = 0;
    while (text.size() <= kMost && (got = sys::retry_on_eintr([&] {
                                        return ::read(STDIN_FILENO, buffer.data(), buffer.size());
                                    })) > 0)
        text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > kMost)
        return Error(ErrorKind::InvalidInput, "the password is longer than 1 MiB");
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
    if (text.empty()) return nothing_given("password");
    return text;
}

Result<std::string> read_name() {
    const Interrupts interrupts = TRY(Interrupts::install(2));
    to_stderr("Username: ");
    return std::string(trim(TRY(read_line("name", interrupts))));
}

/// The terminal shows again what is typed, however this ends.
Result<std::string> read_secret() {
    const Interrupts interrupts = TRY(Interrupts::install(2));
    to_stderr("Password: ");
    termios before{};
    const bool terminal = ::tcgetattr(STDIN_FILENO, &before) == 0;
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (terminal) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    Result<std::string> secret = read_line("password", interrupts);
    if (terminal) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    to_stderr("\n");
    return secret;
}

/// "https://host/v1/" as people copy it, or nothing for Docker Hub.
std::string domain_of(std::string server) {
    if (const std::size_t scheme = server.find("://"); scheme != std::string::npos)
        server = server.substr(scheme + 3);
    server = server.substr(0, server.find('/'));
    const bool hub = server.empty() || server == "index.docker.io" || server == "docker.io" ||
                     server == "registry-1.docker.io";
    return hub ? "docker.io" : server;
}

}  // namespace

void declare(CLI::App& command, LoginFlags& flags) {
    command.add_option("-u,--username", flags.user, "Name of the user");
    command.add_option("-p,--password", flags.password, "Password or token; others can see it");
    command.add_flag("--password-stdin", flags.password_stdin,
                     "Read the password from standard input");
    command.add_option("SERVER", flags.server, "Registry; Docker Hub where none is named");
}

Result<int> run(const Context& context, const LoginFlags& flags) {
    const image::RegistrySettings settings = TRY(registry_settings(context));
    const std::string domain = domain_of(flags.server);
    if (context.globals.dry_run)
        return tell_intents({{'~', "log in", "registry", domain, "not tried, nothing is kept"}});
    image::Credentials credentials;
    credentials.user = flags.user;
    if (!flags.password.empty() && flags.password_stdin)
        return Error(ErrorKind::InvalidInput, "--password and --password-stdin are both given");
    if (flags.password_stdin && flags.user.empty())
        return Error(ErrorKind::InvalidInput, "--password-stdin needs a name").help("add -u NAME");
    if (!flags.password.empty())
        to_stderr(
            render_warning("a password on the command line can be seen by others: use "
                           "--password-stdin",
                           context.terminal.err_colour));
    if (credentials.user.empty()) credentials.user = TRY(read_name());
    if (!flags.password.empty())
        credentials.secret = flags.password;
    else
        credentials.secret = flags.password_stdin ? TRY(read_all_input()) : TRY(read_secret());
    credentials.source = fmt::format("'{}' as given", credentials.user);
    TRY_DOING(image::check_login(settings, domain, credentials), "log in to {}", domain);
    const std::string file = docker_config(context);
    const std::string helper = TRY(image::store_credentials(file, domain, credentials));
    if (helper.empty())
        to_stderr(render_warning(
            fmt::format("the password is kept in '{}' as it is: a credential helper would keep it "
                        "safer",
                        file),
            context.terminal.err_colour));
    to_stdout("Login Succeeded\n");
    return kOk;
}

void declare(CLI::App& command, LogoutFlags& flags) {
    command.add_option("SERVER", flags.server, "Registry; Docker Hub where none is named");
}

Result<int> run(const Context& context, const LogoutFlags& flags) {
    const std::string domain = domain_of(flags.server);
    if (context.globals.dry_run) return tell_intents({{'-', "forget", "login", domain}});
    const bool any = TRY(image::erase_credentials(docker_config(context), domain));
    to_stdout(fmt::format("{} {}\n", any ? "Removing login credentials for" : "Not logged in to",
                          harmless(domain)));
    return kOk;
}

}  // namespace davit::cli
