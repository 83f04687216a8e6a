#include "runtime/program.h"

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "runtime/capabilities.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace

std::vector<std::string> program_candidates(const Spec& spec) {
    const std::string& name = spec.args.front();
    if (name.find('/') != std::string::npos) return {name};
    std::string path = kDefaultPath;
    for (const std::string& variable : spec.env) {
        if (variable.starts_with("PATH=")) path = variable.substr(5);
    }
    std::vector<std::string> list;
    for (const std::string& folder : split(path, ':'))
        list.push_back(join_path(folder.empty() ? "." : folder, name));
    return list;
}

std::vector<char*> exec_pointers(const std::vector<std::string>& strings) {
    std::vector<char*> list;
    // execve(2) takes char* but does not write.
    for (const std::string& text : strings) list.push_back(const_cast<char*>(text.c_str()));
    list.push_back(nullptr);
    return list;
}

int last_capability() {
    const Result<std::string> text = read_file("/proc/sys/kernel/cap_last_cap");
    return text ? static_cast<int>(parse_integer(trim(*text)).value_or(40)) : 40;
}

namespace {

/// Says what can't be given, which is no reason not to run. @source OCI config.md, capabilities
void warn_of(std::uint64_t missing, const char* why) {
    if (missing == 0) return;
    std::string names;
    for (const std::string& name : capability_names(missing)) names += " " + name;
    log::warn("runtime", "{}:{}", why, names);
}

}  // namespace

std::uint64_t available_capabilities(const Spec& spec) {
    const SpecCapabilities& wanted = spec.capabilities;
    warn_of(wanted.ambient & ~(wanted.permitted & wanted.inheritable),
            "ambient capabilities that can't be given, since they are not inheritable");
    if (spec.namespaces.user) return ~std::uint64_t{0};
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[2]{};
    if (::syscall(SYS_capget, &header, sets) == -1) return ~std::uint64_t{0};
    const std::uint64_t own = sets[0].permitted | (std::uint64_t{sets[1].permitted} << 32U);
    warn_of(wanted.permitted & ~own,
            "capabilities that can't be given, since davit has not got them");
    return own;
}

Result<std::vector<unsigned long>> number_mask(const std::string& list) {
    std::vector<unsigned long> mask;
    if (list.empty()) return mask;
    constexpr unsigned kBits = sizeof(unsigned long) * 8;
    constexpr long long kMost = 8192;
    for (const std::string& part : split(list, ',')) {
        const std::size_t dash = part.find('-');
        const auto first = parse_integer(trim(part.substr(0, dash)));
        const auto last =
            dash == std::string::npos ? first : parse_integer(trim(part.substr(dash + 1)));
        if (!first || !last || *first < 0 || *last < *first || *last >= kMost)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' is no list of CPUs or nodes", list));
        for (long long one = *first; one <= *last; ++one) {
            const auto number = static_cast<unsigned>(one);
            if (mask.size() <= number / kBits) mask.resize(number / kBits + 1);
            mask[number / kBits] |= 1UL << (number % kBits);
        }
    }
    return mask;
}

}  // namespace davit::runtime
