#include "runtime/seccomp.h"

#include "base/file.h"
#include "base/sys.h"
#include "runtime/seccomp_listener.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <iterator>
#include <linux/audit.h>
#include <memory>
#include <optional>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

struct ReleaseFilter {
    void operator()(void* filter) const noexcept { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

Error invalid(std::string message) { return Error(ErrorKind::InvalidInput, std::move(message)); }

Result<std::uint32_t> parse_action(const std::string& name, const Json& owner, const char* key) {
    const auto errno_value = static_cast<std::uint32_t>(integer_or(owner, key, EPERM));
    if (name == "SCMP_ACT_ALLOW") return std::uint32_t{SCMP_ACT_ALLOW};
    if (name == "SCMP_ACT_ERRNO") return std::uint32_t{SCMP_ACT_ERRNO(errno_value)};
    if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD")
        return std::uint32_t{SCMP_ACT_KILL_THREAD};
    if (name == "SCMP_ACT_KILL_PROCESS") return std::uint32_t{SCMP_ACT_KILL_PROCESS};
    if (name == "SCMP_ACT_TRAP") return std::uint32_t{SCMP_ACT_TRAP};
    if (name == "SCMP_ACT_LOG") return std::uint32_t{SCMP_ACT_LOG};
    if (name == "SCMP_ACT_NOTIFY") return std::uint32_t{SCMP_ACT_NOTIFY};
    if (name == "SCMP_ACT_TRACE") return std::uint32_t{SCMP_ACT_TRACE(errno_value)};
    return invalid(fmt::format("unknown seccomp action '{}'", name));
}

Result<scmp_compare> parse_operator(const std::string& name) {
    if (name == "SCMP_CMP_NE") return SCMP_CMP_NE;
    if (name == "SCMP_CMP_LT") return SCMP_CMP_LT;
    if (name == "SCMP_CMP_LE") return SCMP_CMP_LE;
    if (name == "SCMP_CMP_EQ") return SCMP_CMP_EQ;
    if (name == "SCMP_CMP_GE") return SCMP_CMP_GE;
    if (name == "SCMP_CMP_GT") return SCMP_CMP_GT;
    if (name == "SCMP_CMP_MASKED_EQ") return SCMP_CMP_MASKED_EQ;
    return invalid(fmt::format("unknown seccomp operator '{}'", name));
}

Error libseccomp_failed(int code, const char* call) { return Error::from_errno(-code, call); }

Result<void> add_one(const Filter& filter, std::uint32_t action, int number,
                     const scmp_arg_cmp* comparisons, std::size_t count) {
    const int code = seccomp_rule_add_array(filter.get(), action, number,
                                            static_cast<unsigned>(count), comparisons);
    // EDOM: not on this architecture; EEXIST: said before.
    if (code < 0 && code != -EDOM && code != -EEXIST)
        return libseccomp_failed(code, "seccomp_rule_add_array");
    return {};
}

/// Comparisons of different arguments must all hold. Several of one argument are alternatives, as
/// the specification's other runtimes have it, and as Docker's profile counts on.
Result<void> add_rule(const Filter& filter, std::uint32_t action, int number,
                      const std::vector<scmp_arg_cmp>& comparisons) {
    bool repeated = false;
    for (std::size_t i = 0; i < comparisons.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j)
            repeated = repeated || comparisons[i].arg == comparisons[j].arg;
    }
    if (!repeated) return add_one(filter, action, number, comparisons.data(), comparisons.size());
    for (const scmp_arg_cmp& comparison : comparisons)
        TRY(add_one(filter, action, number, &comparison, 1));
    return {};
}

/// @source runc libcontainer/seccomp, which refuses it for the same reason
Result<void> check_notify(const Json& rule) {
    for (const Json& name : rule.at("names")) {
        if (name == "write")
            return invalid(
                "SCMP_ACT_NOTIFY can't be used for 'write': the runtime writes itself "
                "between the filter and the program");
    }
    return {};
}

Result<void> add_rules(const Filter& filter, const Json& rule, std::uint32_t default_action) {
    const std::uint32_t action =
        TRY(parse_action(rule.at("action").get<std::string>(), rule, "errnoRet"));
    if (action == default_action) return {};  // libseccomp refuses a rule that changes nothing
    if (action == SCMP_ACT_NOTIFY) TRY(check_notify(rule));
    std::vector<scmp_arg_cmp> comparisons;
    if (const auto args = rule.find("args"); args != rule.end() && args->is_array()) {
        for (const Json& arg : *args) {
            scmp_arg_cmp comparison{};
            comparison.arg = arg.at("index").get<unsigned>();
            comparison.op = TRY(parse_operator(arg.at("op").get<std::string>()));
            comparison.datum_a = arg.at("value").get<std::uint64_t>();
            comparison.datum_b = arg.value("valueTwo", std::uint64_t{0});
            comparisons.push_back(comparison);
        }
    }
    for (const Json& name : rule.at("names")) {
        const int number = seccomp_syscall_resolve_name(name.get<std::string>().c_str());
        if (number == __NR_SCMP_ERROR) continue;  // unknown to this libseccomp: the default applies
        TRY_DOING(add_rule(filter, action, number, comparisons), "filter '{}'",
                  name.get<std::string>());
    }
    return {};
}

Result<SeccompProgram> export_program(const Filter& filter) {
    const UniqueFd memory(::memfd_create("seccomp", MFD_CLOEXEC));
    if (!memory) return Error::from_errno(errno, "memfd_create(2)");
    if (const int code = seccomp_export_bpf(filter.get(), memory.get()); code < 0)
        return libseccomp_failed(code, "seccomp_export_bpf");
    const off_t size = ::lseek(memory.get(), 0, SEEK_END);
    SeccompProgram program(static_cast<std::size_t>(size), '\0');
    if (::pread(memory.get(), program.data(), program.size(), 0) != size)
        return Error(ErrorKind::Internal, "the exported filter can't be read back");
    return program;
}

struct FlagRow {
    const char* name;
    unsigned flag;
};
/// @source linux/seccomp.h. TSYNC says nothing about a process of one thread.
constexpr FlagRow kFilterFlags[] = {{"SECCOMP_FILTER_FLAG_TSYNC", 0},
                                    {"SECCOMP_FILTER_FLAG_LOG", 2},
                                    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", 4},
                                    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 32}};
constexpr unsigned kNewListener = 8;

Result<void> check_flags(const Json& seccomp) {
    const auto flags = seccomp.find("flags");
    if (flags == seccomp.end()) return {};
    for (const Json& flag : *flags) {
        const std::string name = flag.get<std::string>();
        const bool known = std::any_of(std::begin(kFilterFlags), std::end(kFilterFlags),
                                       [&](const FlagRow& row) { return name == row.name; });
        if (!known)
            return Error(ErrorKind::Unsupported,
                         fmt::format("seccomp flag '{}' is not supported", name));
    }
    return {};
}

constexpr const char* kDefault = "davitDefault";

/// The capabilities that a named default filter is for.
std::optional<std::uint64_t> capabilities_of_default(const Json& seccomp) {
    const auto found = seccomp.find(kDefault);
    if (found == seccomp.end() || !found->is_number_unsigned()) return std::nullopt;
    return found->get<std::uint64_t>();
}

/// What a name of this program's stands for may be another thing for the next program.
std::string own_identity() {
    struct stat info {};
    if (::stat("/proc/self/exe", &info) == -1) return {};
    return fmt::format("{}:{}:{}:{}.{}", info.st_dev, info.st_ino, info.st_size,
                       info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

Result<SeccompProgram> compile(const Json& seccomp) {
    if (const auto capabilities = capabilities_of_default(seccomp))
        return compile(default_seccomp(*capabilities));
    const std::uint32_t default_action = TRY(
        parse_action(seccomp.at("defaultAction").get<std::string>(), seccomp, "defaultErrnoRet"));
    TRY(check_flags(seccomp));
    if (default_action == SCMP_ACT_NOTIFY)
        return invalid("SCMP_ACT_NOTIFY can't be the default action");
    const std::string listener = string_or(seccomp, "listenerPath");
    if (asks_listener(seccomp) != !listener.empty())
        return invalid(listener.empty() ? "the seccomp action SCMP_ACT_NOTIFY needs a listenerPath"
                                        : "seccomp.listenerPath needs a rule with SCMP_ACT_NOTIFY");
    const Filter filter(seccomp_init(default_action));
    if (!filter) return Error(ErrorKind::System, "libseccomp can't make a filter");
    // A binary tree over the call numbers: some 10 comparisons a call instead of hundreds.
    (void)seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    // no_new_privs is process.noNewPrivileges' business, not the filter's.
    (void)seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_NNP, 0);
    if (const auto architectures = seccomp.find("architectures"); architectures != seccomp.end()) {
        for (const Json& entry : *architectures) {
            std::string name = entry.get<std::string>();
            if (name.starts_with("SCMP_ARCH_")) name.erase(0, 10);
            for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
            const std::uint32_t token = seccomp_arch_resolve_name(name.c_str());
            if (token == 0)
                return invalid(fmt::format("unknown architecture '{}'", entry.get<std::string>()));
            const int code = seccomp_arch_add(filter.get(), token);
            if (code < 0 && code != -EEXIST) return libseccomp_failed(code, "seccomp_arch_add");
        }
    }
    if (const auto rules = seccomp.find("syscalls"); rules != seccomp.end()) {
        for (const Json& rule : *rules) TRY(add_rules(filter, rule, default_action));
    }
    return export_program(filter);
}

/// FNV-1a: names a cache file, whose whole key is compared when it is read, and finds damage. Both
/// are against accidents; the run root is root's alone.
std::uint64_t fnv1a(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    return hash;
}

}  // namespace

Json named_default_seccomp(std::uint64_t capabilities) { return {{kDefault, capabilities}}; }

unsigned seccomp_flags(const Json& seccomp) {
    unsigned all = asks_listener(seccomp) ? kNewListener : 0;
    const auto flags = seccomp.find("flags");
    if (flags == seccomp.end() || !flags->is_array()) return all;
    for (const Json& flag : *flags) {
        for (const FlagRow& row : kFilterFlags) {
            if (flag == row.name) all |= row.flag;
        }
    }
    return all;
}

Result<SeccompProgram> compile_seccomp(const Json& seccomp) {
    auto decoded = decode_json(seccomp, "linux.seccomp", compile);
    if (!decoded) return std::move(decoded).error();
    return *std::move(decoded);
}

Result<SeccompProgram> cached_seccomp(const Json& seccomp, const std::string& cache_dir) {
    // The entry is the text of the object, a NUL, a check sum and the program: what was compiled is
    // compared, so that no hash has to be trusted. libseccomp's version is part of the text.
    const scmp_version* version = seccomp_version();
    const std::string key =
        fmt::format("{}.{}.{} {} {}", version->major, version->minor, version->micro,
                    capabilities_of_default(seccomp) ? own_identity() : "", seccomp.dump());
    const std::string path = fmt::format("{}/seccomp-{:016x}.bpf", cache_dir, fnv1a(key));
    const auto entry_of = [&](std::string_view program) {
        return fmt::format("{}{}{:016x}{}", key, '\0', fnv1a(program), program);
    };
    const std::size_t program_at = key.size() + 17;
    const Result<std::string> entry = read_file(path, 4U << 20U);
    if (entry && entry->size() > program_at) {
        SeccompProgram program = entry->substr(program_at);
        if (*entry == entry_of(program)) return program;
    }
    SeccompProgram program = TRY(compile_seccomp(seccomp));
    // A full disk or a missing folder only makes the next start slower.
    (void)write_atomically(path, entry_of(program), 0600, Sync::No);
    return program;
}

}  // namespace davit::runtime
