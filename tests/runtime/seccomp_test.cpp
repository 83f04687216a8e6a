#include "runtime/seccomp.h"

#include "base/file.h"
#include "runtime/capabilities.h"
#include "tests/support/temp_dir.h"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <doctest/doctest.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

using namespace davit;
using namespace davit::runtime;
using davit::testing::TempDir;

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
constexpr std::uint32_t kOtherArchitecture = AUDIT_ARCH_I386;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t kOtherArchitecture = AUDIT_ARCH_ARM;
#else
#error "name the audit architecture of this machine here"
#endif

constexpr std::uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t kPerm = SECCOMP_RET_ERRNO | EPERM;
constexpr std::uint32_t kNoSys = SECCOMP_RET_ERRNO | ENOSYS;

/// Classic BPF over struct seccomp_data, as the kernel runs it: what the filter answers.
/// @source networking/filter.rst; seccomp(2), which allows these instructions only
std::uint32_t run(const SeccompProgram& program, const seccomp_data& call) {
    const std::size_t count = program.size() / sizeof(sock_filter);
    REQUIRE(program.size() % sizeof(sock_filter) == 0);
    std::vector<sock_filter> code(count);
    std::memcpy(code.data(), program.data(), program.size());
    std::uint32_t a = 0;
    std::uint32_t x = 0;
    std::uint32_t memory[BPF_MEMWORDS] = {};
    for (std::size_t at = 0; at < count; ++at) {
        const sock_filter& one = code[at];
        const std::uint32_t operand = BPF_SRC(one.code) == BPF_X ? x : one.k;
        switch (BPF_CLASS(one.code)) {
            case BPF_LD:
                if (BPF_MODE(one.code) == BPF_ABS) {
                    REQUIRE(one.k + 4 <= sizeof call);
                    std::memcpy(&a, reinterpret_cast<const char*>(&call) + one.k, 4);
                } else if (BPF_MODE(one.code) == BPF_IMM) {
                    a = one.k;
                } else {
                    REQUIRE(BPF_MODE(one.code) == BPF_MEM);
                    a = memory[one.k];
                }
                break;
            case BPF_LDX: x = BPF_MODE(one.code) == BPF_MEM ? memory[one.k] : one.k; break;
            case BPF_ST: memory[one.k] = a; break;
            case BPF_STX: memory[one.k] = x; break;
            case BPF_ALU:
                if (BPF_OP(one.code) == BPF_AND)
                    a &= operand;
                else if (BPF_OP(one.code) == BPF_OR)
                    a |= operand;
                else
                    FAIL("an arithmetic instruction that no filter needs");
                break;
            case BPF_JMP: {
                bool yes = true;
                switch (BPF_OP(one.code)) {
                    case BPF_JA: at += one.k; continue;
                    case BPF_JEQ: yes = a == operand; break;
                    case BPF_JGT: yes = a > operand; break;
                    case BPF_JGE: yes = a >= operand; break;
                    case BPF_JSET: yes = (a & operand) != 0; break;
                    default: FAIL("an unknown jump");
                }
                at += yes ? one.jt : one.jf;
                break;
            }
            case BPF_RET: return BPF_RVAL(one.code) == BPF_A ? a : one.k;
            case BPF_MISC:
                (BPF_MISCOP(one.code) == BPF_TAX ? x : a) = BPF_MISCOP(one.code) == BPF_TAX ? a : x;
                break;
            default: FAIL("an unknown instruction");
        }
    }
    FAIL("the filter runs over its end");
    return 0;
}

std::uint32_t answer(const SeccompProgram& program, long number, std::uint64_t first = 0,
                     std::uint32_t architecture = kArchitecture) {
    seccomp_data call{};
    call.nr = static_cast<int>(number);
    call.arch = architecture;
    call.args[0] = first;
    return run(program, call);
}

SeccompProgram default_program(std::uint64_t capabilities) {
    auto program = compile_seccomp(default_seccomp(capabilities));
    REQUIRE(program.ok());
    return *std::move(program);
}

}  // namespace

TEST_CASE("the default filter answers every call as its table says") {
    const SeccompProgram program = default_program(default_capabilities());
    struct Case {
        const char* name;
        long number;
        std::uint64_t first;
        std::uint32_t wanted;
    };
    constexpr std::uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                      CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                                      CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    const Case cases[] = {
        {"read", SYS_read, 0, kAllow},
        {"openat", SYS_openat, 0, kAllow},
        {"openat2", SYS_openat2, 0, kAllow},
        {"execve", SYS_execve, 0, kAllow},
        {"mknodat", SYS_mknodat, 0, kAllow},
        {"futex", SYS_futex, 0, kAllow},
        {"rseq", SYS_rseq, 0, kAllow},
        {"chroot with its capability", SYS_chroot, 0, kAllow},
        {"clone of a thread", SYS_clone, kThread, kAllow},
        {"clone as fork", SYS_clone, SIGCHLD | CLONE_CHILD_SETTID, kAllow},
        {"clone with a user namespace", SYS_clone, SIGCHLD | CLONE_NEWUSER, kPerm},
        {"clone with a mount namespace", SYS_clone, CLONE_NEWNS, kPerm},
        {"clone with a net namespace and more", SYS_clone, kThread | CLONE_NEWNET, kPerm},
        {"clone with a cgroup namespace", SYS_clone, CLONE_NEWCGROUP, kPerm},
        {"clone3", SYS_clone3, 0, kNoSys},
        {"mount", SYS_mount, 0, kPerm},
        {"umount2", SYS_umount2, 0, kPerm},
        {"move_mount", SYS_move_mount, 0, kPerm},
        {"fsopen", SYS_fsopen, 0, kPerm},
        {"pivot_root", SYS_pivot_root, 0, kPerm},
        {"unshare", SYS_unshare, CLONE_NEWUSER, kPerm},
        {"setns", SYS_setns, 0, kPerm},
        {"bpf", SYS_bpf, 0, kPerm},
        {"perf_event_open", SYS_perf_event_open, 0, kPerm},
        {"keyctl", SYS_keyctl, 0, kPerm},
        {"add_key", SYS_add_key, 0, kPerm},
        {"io_uring_setup", SYS_io_uring_setup, 0, kPerm},
        {"userfaultfd", SYS_userfaultfd, 0, kPerm},
        {"kexec_load", SYS_kexec_load, 0, kPerm},
        {"init_module", SYS_init_module, 0, kPerm},
        {"reboot", SYS_reboot, 0, kPerm},
        {"swapon", SYS_swapon, 0, kPerm},
        {"settimeofday", SYS_settimeofday, 0, kPerm},
        {"open_by_handle_at", SYS_open_by_handle_at, 0, kPerm},
        {"socket AF_UNIX", SYS_socket, AF_UNIX, kAllow},
        {"socket AF_INET", SYS_socket, AF_INET, kAllow},
        {"socket AF_NETLINK", SYS_socket, AF_NETLINK, kAllow},
        {"socket AF_ALG", SYS_socket, 38, kPerm},
        {"socket between the two", SYS_socket, 39, kAllow},
        {"socket AF_VSOCK", SYS_socket, 40, kPerm},
        {"socket AF_XDP", SYS_socket, 44, kAllow},
        {"personality Linux", SYS_personality, 0, kAllow},
        {"personality asked for", SYS_personality, 0xffffffff, kAllow},
        {"personality of others", SYS_personality, 0x0400000, kNoSys},
        {"a number of the future", 9999, 0, kNoSys},
    };
    for (const Case& c : cases)
        CHECK_MESSAGE(answer(program, c.number, c.first) == c.wanted, c.name);
}

TEST_CASE("the upper half of an argument counts too") {
    const SeccompProgram program = default_program(default_capabilities());
    // The kernel takes the family as an int: with these bits it is AF_ALG all the same.
    CHECK(answer(program, SYS_socket, 0x100000026) != kNoSys);
    CHECK(answer(program, SYS_clone, 0x100000000 | CLONE_NEWUSER) == kPerm);
}

TEST_CASE("calls of another architecture do not slip through") {
    const SeccompProgram program = default_program(default_capabilities());
    CHECK(answer(program, 21 /* mount on i386 */, 0, kOtherArchitecture) != kAllow);
#if defined(__x86_64__)
    constexpr long kX32 = 0x40000000;
    CHECK(answer(program, kX32 | SYS_mount) != kAllow);
    CHECK(answer(program, kX32 | SYS_read) != kAllow);
#endif
}

TEST_CASE("a capability opens the calls that it is for") {
    const SeccompProgram admin =
        default_program(default_capabilities() | (std::uint64_t{1} << CAP_SYS_ADMIN));
    for (const long number : {SYS_mount, SYS_unshare, SYS_setns, SYS_clone3, SYS_bpf})
        CHECK(answer(admin, number) == kAllow);
    CHECK(answer(admin, SYS_clone, CLONE_NEWUSER) == kAllow);
    CHECK(answer(admin, SYS_keyctl) == kPerm);
    CHECK(answer(admin, SYS_reboot) == kPerm);
    CHECK(answer(default_program(0), SYS_chroot) == kPerm);
}

TEST_CASE("the default filter is short enough for the kernel") {
    CHECK(default_program(default_capabilities()).size() / 8 < 4096);
}

TEST_CASE("filters with other actions and operators are compiled") {
    const auto json = parse_json(R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
        {"names":["getpid"],"action":"SCMP_ACT_KILL_PROCESS"},
        {"names":["kill"],"action":"SCMP_ACT_ERRNO","errnoRet":5,
         "args":[{"index":0,"value":10,"op":"SCMP_CMP_GE"}]},
        {"names":["no_such_call_at_all"],"action":"SCMP_ACT_ERRNO"},
        {"names":["getppid"],"action":"SCMP_ACT_ALLOW"}]})",
                                 "test");
    const auto program = compile_seccomp(*json);
    REQUIRE(program.ok());
    CHECK(answer(*program, SYS_getpid) == SECCOMP_RET_KILL_PROCESS);
    CHECK(answer(*program, SYS_kill, 9) == kAllow);
    CHECK(answer(*program, SYS_kill, 10) == (SECCOMP_RET_ERRNO | 5U));
    CHECK(answer(*program, SYS_getppid) == kAllow);
    CHECK(answer(*program, 9999) == kAllow);
}

TEST_CASE("a filter that means nothing is refused by name") {
    struct Case {
        const char* json;
        const char* message;
    };
    for (const Case& c :
         {Case{R"({"defaultAction":"SCMP_ACT_MAYBE"})", "unknown seccomp action 'SCMP_ACT_MAYBE'"},
          Case{R"({"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_Z80"]})",
               "unknown architecture 'SCMP_ARCH_Z80'"},
          Case{R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],
               "action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":1,"op":"SCMP_CMP_ISH"}]}]})",
               "unknown seccomp operator 'SCMP_CMP_ISH'"}}) {
        const auto program = compile_seccomp(*parse_json(c.json, "test"));
        REQUIRE_FALSE(program.ok());
        CHECK(program.error().to_string() == c.message);
    }
    CHECK_FALSE(compile_seccomp(Json::object()).ok());
}

TEST_CASE("the cache gives the same program and survives whatever is in its files") {
    const TempDir dir;
    const Json filter = default_seccomp(default_capabilities());
    const auto fresh = compile_seccomp(filter);
    const auto first = cached_seccomp(filter, dir.path());
    REQUIRE(first.ok());
    CHECK(*first == *fresh);
    const auto files = list_directory(dir.path());
    REQUIRE(files->size() == 1);
    const std::string path = dir / files->front();
    const std::string entry = *read_file(path);
    CHECK(*cached_seccomp(filter, dir.path()) == *fresh);

    std::string flipped = entry;
    flipped[entry.size() - 100] = static_cast<char>(flipped[entry.size() - 100] ^ 1);
    const std::string broken[] = {"",
                                  "x",
                                  entry.substr(0, entry.size() / 2),
                                  entry.substr(0, entry.size() - 8),  // whole instructions only
                                  entry.substr(0, entry.size() - 3),
                                  entry + std::string(8, '\0'),
                                  flipped,
                                  "another text" + entry.substr(12)};
    for (const std::string& text : broken) {
        REQUIRE(write_in_place(path, text, 0600).ok());
        const auto again = cached_seccomp(filter, dir.path());
        REQUIRE(again.ok());
        CHECK(*again == *fresh);
        CHECK(*read_file(path) == entry);  // and it is mended
    }
    // Another filter has an entry of its own; a missing folder is only slower.
    CHECK(*cached_seccomp(default_seccomp(0), dir.path()) != *fresh);
    CHECK(list_directory(dir.path())->size() == 2);
    CHECK(*cached_seccomp(filter, dir / "nowhere") == *fresh);
    // By its name it is the same.
    const Json named = named_default_seccomp(default_capabilities());
    CHECK(named.dump().size() < 100);
    CHECK(*compile_seccomp(named) == *fresh);
    CHECK(*cached_seccomp(named, dir.path()) == *fresh);
    CHECK(*cached_seccomp(named, dir.path()) == *fresh);
    CHECK_FALSE(compile_seccomp({{"davitDefault", "all"}}).ok());
}
