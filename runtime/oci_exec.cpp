#include "base/strings.h"
#include "runtime/capabilities.h"
#include "runtime/exec.h"
#include "runtime/oci_commands.h"
#include "runtime/oci_store.h"
#include "runtime/own_program.h"

#include <fmt/format.h>
#include <limits>

namespace davit::runtime {
namespace {

const std::vector<OciFlag>& exec_flags() {
    static const std::vector<OciFlag> kFlags = {{"process", 'p'},
                                                {"console-socket"},
                                                {"cwd"},
                                                {"env", 'e'},
                                                {"tty", 't', false},
                                                {"user", 'u'},
                                                {"additional-gids", 'g'},
                                                {"detach", 'd', false},
                                                {"pid-file"},
                                                {"cap", 'c'},
                                                {"no-new-privs", '\0', false},
                                                {"preserve-fds"}};
    return kFlags;
}

Result<std::uint32_t> id_number(const std::string& text, const char* what) {
    const auto number = parse_integer(text);
    if (number && *number >= 0 && *number < std::numeric_limits<std::uint32_t>::max() &&
        text.find_first_not_of("0123456789") == std::string::npos)
        return static_cast<std::uint32_t>(*number);
    return Error(ErrorKind::InvalidInput, fmt::format("'{}' is no {} number", text, what));
}

Result<void> set_user(const OciArguments& arguments, Json& process) {
    if (arguments.has("user")) {
        const std::string user = arguments.value("user");
        const std::size_t colon = user.find(':');
        process["user"] = {{"uid", TRY(id_number(user.substr(0, colon), "user"))}};
        process["user"]["gid"] =
            colon == std::string::npos ? 0U : TRY(id_number(user.substr(colon + 1), "group"));
    }
    for (const std::string& gid : arguments.all("additional-gids"))
        process["user"]["additionalGids"].push_back(TRY(id_number(gid, "group")));
    return {};
}

/// The process as the flags have it, beginning with the container's own.
Result<Json> process_of(const OciContainer& container, const OciArguments& arguments) {
    if (arguments.has("process")) return read_json(arguments.value("process"));
    const Json config = TRY(read_json(container.folder() + "/config.json"));
    Json process = config.at("process");
    const std::vector<std::string>& words = arguments.words();
    if (words.size() < 2)
        return Error(ErrorKind::InvalidInput, "exec takes a container id and a program");
    process["args"] = std::vector<std::string>(words.begin() + 1, words.end());
    if (arguments.has("cwd")) process["cwd"] = arguments.value("cwd");
    for (const std::string& variable : arguments.all("env")) process["env"].push_back(variable);
    TRY(set_user(arguments, process));
    for (const std::string& capability : arguments.all("cap")) {
        TRY(capability_mask({capability}));
        for (const char* set : {"bounding", "effective", "permitted"})
            process["capabilities"][set].push_back(capability);
    }
    if (arguments.has("no-new-privs")) process["noNewPrivileges"] = true;
    process["terminal"] = arguments.has("tty");
    return process;
}

}  // namespace

Result<int> oci_exec(const OciGlobals& globals, const OciWords& words) {
    const OciArguments arguments = TRY(OciArguments::parse(words, exec_flags(), true));
    if (arguments.words().empty())
        return Error(ErrorKind::InvalidInput, "exec takes a container id");
    const OciContainer container = TRY(OciContainer::load(globals.root, arguments.words()[0]));
    const OciStatus status = container.status();
    if (status != OciStatus::Running && status != OciStatus::Created)
        return Error(ErrorKind::Busy,
                     fmt::format("container '{}' is {}", container.id(), to_string(status)));
    // Before anything is begun that can't be begun twice: a console's socket takes one connection.
    if (const Spec spec = TRY(container.spec()); !spec.namespaces.user) TRY(execute_read_only());
    ExecOptions options;
    options.bundle = container.folder();
    options.pid = container.pid();
    options.process_object = TRY(process_of(container, arguments));
    options.leave = arguments.has("detach");
    options.pid_file = arguments.value("pid-file");
    options.preserved =
        static_cast<unsigned>(parse_integer(arguments.value("preserve-fds", "0")).value_or(0));
    const bool terminal = options.process_object->value("terminal", false);
    UniqueFd console;
    if (terminal && arguments.has("console-socket")) {
        console = TRY(connect_stream(arguments.value("console-socket")));
        options.console_socket = console.get();
    } else if (terminal && options.leave) {
        return Error(ErrorKind::InvalidInput, "a detached terminal needs --console-socket");
    }
    options.terminal = terminal;
    return exec_in_container(options);
}

}  // namespace davit::runtime
