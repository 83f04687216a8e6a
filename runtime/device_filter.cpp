#include "runtime/device_filter.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <sys/syscall.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

// Registers: r1 is the kernel's context, r2 the device's type, r3 the access, r4 and r5 its
// numbers.
constexpr std::uint8_t kResult = BPF_REG_0;
constexpr std::uint8_t kContext = BPF_REG_1;
constexpr std::uint8_t kType = BPF_REG_2;
constexpr std::uint8_t kAccess = BPF_REG_3;
constexpr std::uint8_t kMajor = BPF_REG_4;
constexpr std::uint8_t kMinor = BPF_REG_5;

bpf_insn instruction(unsigned code, std::uint8_t to, std::uint8_t from, int offset, int value) {
    bpf_insn one{};
    one.code = static_cast<__u8>(code);
    one.dst_reg = to & 0xFU;
    one.src_reg = from & 0xFU;
    one.off = static_cast<__s16>(offset);
    one.imm = value;
    return one;
}

bpf_insn load(std::uint8_t to, std::size_t offset) {
    return instruction(BPF_LDX | BPF_MEM | BPF_W, to, kContext, static_cast<int>(offset), 0);
}
bpf_insn unless_equal(std::uint8_t what, int value) {  // the jump's length is filled in later
    return instruction(BPF_JMP | BPF_JNE | BPF_K, what, 0, 0, value);
}
bpf_insn set_result(int value) {
    return instruction(BPF_ALU64 | BPF_MOV | BPF_K, kResult, 0, 0, value);
}
bpf_insn leave() { return instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }

int access_bits(const std::string& access) {
    int bits = 0;
    for (const char c : access)
        bits |= c == 'r'   ? BPF_DEVCG_ACC_READ
                : c == 'w' ? BPF_DEVCG_ACC_WRITE
                           : BPF_DEVCG_ACC_MKNOD;
    return bits;
}

constexpr int kAllAccess = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD;

/// A rule as instructions: where something doesn't fit, go on behind it.
std::vector<bpf_insn> rule_code(const SpecDeviceRule& rule) {
    std::vector<bpf_insn> code;
    std::vector<std::size_t> jumps;
    const auto require = [&](bpf_insn jump) {
        jumps.push_back(code.size());
        code.push_back(jump);
    };
    if (rule.type != 'a')
        require(unless_equal(kType, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR));
    if (rule.major) require(unless_equal(kMajor, static_cast<int>(*rule.major)));
    if (rule.minor) require(unless_equal(kMinor, static_cast<int>(*rule.minor)));
    const int access = access_bits(rule.access);
    if (rule.type != 'a' && access != kAllAccess) {
        code.push_back(instruction(BPF_ALU | BPF_MOV | BPF_X, kContext, kAccess, 0, 0));
        if (rule.allow) {
            // Everything that is wanted must be among what is allowed.
            code.push_back(instruction(BPF_ALU | BPF_AND | BPF_K, kContext, 0, 0, ~access));
            require(unless_equal(kContext, 0));
        } else {
            // One thing that is denied is enough.
            code.push_back(instruction(BPF_ALU | BPF_AND | BPF_K, kContext, 0, 0, access));
            require(instruction(BPF_JMP | BPF_JEQ | BPF_K, kContext, 0, 0, 0));
        }
    }
    code.push_back(set_result(rule.allow ? 1 : 0));
    code.push_back(leave());
    for (const std::size_t at : jumps) code[at].off = static_cast<__s16>(code.size() - at - 1);
    return code;
}

int bpf(int command, bpf_attr& attributes) {
    return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

Error failed(const char* what) {
    const int error_number = errno;
    return Error::from_errno(error_number, "bpf(2)")
        .doing("{} the device rules", what)
        .help("look at the kernel's CONFIG_CGROUP_BPF and at the capability CAP_BPF");
}

/// Programs that are attached already: an update replaces them.
std::vector<__u32> attached_programs(const UniqueFd& cgroup) {
    std::array<__u32, 64> ids{};
    bpf_attr attributes{};
    attributes.query.target_fd = static_cast<__u32>(cgroup.get());
    attributes.query.attach_type = BPF_CGROUP_DEVICE;
    attributes.query.prog_ids = reinterpret_cast<std::uintptr_t>(ids.data());
    attributes.query.prog_cnt = ids.size();
    if (bpf(BPF_PROG_QUERY, attributes) == -1) return {};
    return {ids.begin(), ids.begin() + attributes.query.prog_cnt};
}

void detach(const UniqueFd& cgroup, __u32 id) {
    bpf_attr open{};
    open.prog_id = id;
    const UniqueFd program(bpf(BPF_PROG_GET_FD_BY_ID, open));
    if (!program) return;
    bpf_attr attributes{};
    attributes.target_fd = static_cast<__u32>(cgroup.get());
    attributes.attach_bpf_fd = static_cast<__u32>(program.get());
    attributes.attach_type = BPF_CGROUP_DEVICE;
    (void)bpf(BPF_PROG_DETACH, attributes);
}

}  // namespace

std::vector<bpf_insn> device_program(const std::vector<SpecDeviceRule>& rules) {
    std::vector<bpf_insn> code = {
        load(kType, offsetof(bpf_cgroup_dev_ctx, access_type)),
        instruction(BPF_ALU | BPF_AND | BPF_K, kType, 0, 0, 0xFFFF),
        load(kAccess, offsetof(bpf_cgroup_dev_ctx, access_type)),
        instruction(BPF_ALU | BPF_RSH | BPF_K, kAccess, 0, 0, 16),
        load(kMajor, offsetof(bpf_cgroup_dev_ctx, major)),
        load(kMinor, offsetof(bpf_cgroup_dev_ctx, minor)),
    };
    // The last rule that fits decides: it comes first. What stands before a rule for everything
    // is never asked.
    for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
        const std::vector<bpf_insn> one = rule_code(*rule);
        code.insert(code.end(), one.begin(), one.end());
        if (rule->type == 'a') return code;
    }
    code.push_back(set_result(0));
    code.push_back(leave());
    return code;
}

Result<void> attach_device_filter(const UniqueFd& cgroup,
                                  const std::vector<SpecDeviceRule>& rules) {
    const std::vector<bpf_insn> code = device_program(rules);
    bpf_attr attributes{};
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insns = reinterpret_cast<std::uintptr_t>(code.data());
    attributes.insn_cnt = static_cast<__u32>(code.size());
    constexpr const char* kLicense = "Apache-2.0";
    attributes.license = reinterpret_cast<std::uintptr_t>(kLicense);
    const UniqueFd program(bpf(BPF_PROG_LOAD, attributes));
    if (!program) return failed("load");
    const std::vector<__u32> before = attached_programs(cgroup);
    bpf_attr attach{};
    attach.target_fd = static_cast<__u32>(cgroup.get());
    attach.attach_bpf_fd = static_cast<__u32>(program.get());
    attach.attach_type = BPF_CGROUP_DEVICE;
    attach.attach_flags = BPF_F_ALLOW_MULTI;
    // All programs of a cgroup must agree: the new one joins before the old ones go.
    if (bpf(BPF_PROG_ATTACH, attach) == -1) return failed("attach");
    for (const __u32 id : before) detach(cgroup, id);
    return {};
}

}  // namespace davit::runtime
