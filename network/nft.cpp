#include "base/log.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "network/foreign_rules.h"
#include "network/ruleset.h"

#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <fmt/format.h>
#include <linux/netlink.h>
#include <memory>
#include <mutex>
#include <nftables/libnftables.h>
#include <sys/socket.h>
#include <unistd.h>

namespace davit::network {
namespace {

/// The few functions of libnftables that are used, found when rules are first changed: loading the
/// library and its dozen dependencies costs milliseconds that other commands save.
struct Library {
    decltype(&nft_ctx_new) make = nullptr;
    decltype(&nft_ctx_free) release = nullptr;
    decltype(&nft_ctx_buffer_error) buffer_error = nullptr;
    decltype(&nft_ctx_buffer_output) buffer_output = nullptr;
    decltype(&nft_ctx_get_error_buffer) errors = nullptr;
    decltype(&nft_ctx_get_output_buffer) output = nullptr;
    decltype(&nft_ctx_output_set_flags) set_output = nullptr;
    decltype(&nft_run_cmd_from_buffer) run = nullptr;
};

template <typename Function>
bool find(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(library, name));
    return function != nullptr;
}

Result<const Library*> library() {
    static const Result<Library> found = []() -> Result<Library> {
        void* handle = ::dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL);  // never closed
        Library functions;
        if (handle != nullptr && find(handle, "nft_ctx_new", functions.make) &&
            find(handle, "nft_ctx_free", functions.release) &&
            find(handle, "nft_ctx_buffer_error", functions.buffer_error) &&
            find(handle, "nft_ctx_buffer_output", functions.buffer_output) &&
            find(handle, "nft_ctx_get_error_buffer", functions.errors) &&
            find(handle, "nft_ctx_get_output_buffer", functions.output) &&
            find(handle, "nft_ctx_output_set_flags", functions.set_output) &&
            find(handle, "nft_run_cmd_from_buffer", functions.run))
            return functions;
        const char* problem = ::dlerror();  // NOLINT(concurrency-mt-unsafe)
        return Error(ErrorKind::Unsupported, fmt::format("libnftables can't be loaded: {}",
                                                         problem == nullptr ? "?" : problem))
            .help("install the package libnftables1");
    }();
    if (!found) return found.error();
    return &*found;
}

Error no_kernel_support(std::string_view why) {
    return Error(ErrorKind::Unsupported, fmt::format("this kernel has no nf_tables: {}", why))
        .help("load it, with what it needs for address translation: modprobe nft_chain_nat");
}

/// libnftables repeats the whole script after its first line: keep what says something.
std::string first_lines(const char* text) {
    std::string kept;
    int lines = 0;
    for (const std::string& line : split(text == nullptr ? "" : text, '\n')) {
        if (trim(line).empty()) continue;
        kept += (kept.empty() ? "" : "; ") + std::string(trim(line)).substr(0, 200);
        if (++lines == 2) break;
    }
    return kept.empty() ? "no reason given" : kept;
}

/// libnftables ends the whole process where it gets no netlink socket: ask first, with ours.
Result<void> probe_netfilter() {
    const UniqueFd probe(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    if (probe) return {};
    const int error_number = errno;
    if (error_number == EPROTONOSUPPORT || error_number == EAFNOSUPPORT)
        return no_kernel_support("no netfilter socket");
    return Error::from_errno(error_number, "socket(2)").doing("open a netfilter socket");
}

/// What the kernel's answer, which libnftables has only as a sentence, means to a caller.
Error failure_of(const std::string& text) {
    const auto says = [&](int error_number) {
        return text.find(::strerrordesc_np(error_number)) != std::string::npos;
    };
    if (says(EOPNOTSUPP) || says(EPROTONOSUPPORT) || says(EAFNOSUPPORT))
        return no_kernel_support(text);
    if (says(EPERM))
        return Error(ErrorKind::PermissionDenied, fmt::format("nftables: {}", text))
            .help("run davit as root");
    return Error(ErrorKind::System, fmt::format("nftables: {}", text));
}

/// Runs a script; what it prints, as JSON where that is asked for.
Result<std::string> run_script(const std::string& script, bool json) {
    const Library& nft = *TRY(library());
    static std::mutex one_at_a_time;  // libnftables keeps tables of its own outside its contexts
    const std::lock_guard lock(one_at_a_time);
    TRY(probe_netfilter());
    const std::unique_ptr<nft_ctx, decltype(nft.release)> context(nft.make(NFT_CTX_DEFAULT),
                                                                  nft.release);
    if (!context) return Error(ErrorKind::System, "nft_ctx_new has no memory");
    nft.buffer_error(context.get());
    nft.buffer_output(context.get());
    if (json) nft.set_output(context.get(), NFT_CTX_OUTPUT_JSON);
    log::debug("network", "nft -f - <<'END'\n{}END", script);
    if (nft.run(context.get(), script.c_str()) != 0)
        return failure_of(first_lines(nft.errors(context.get())));
    const char* const output = nft.output(context.get());
    return std::string(output == nullptr ? "" : output);
}

}  // namespace

Result<void> load_script(const std::string& script) {
    TRY(run_script(script, false));
    return {};
}

Result<Json> list_ruleset() {
    // Where the rules change meanwhile, libnftables begins anew behind what it has written already.
    constexpr int kAttempts = 5;
    for (int attempt = 1;; ++attempt) {
        const std::string text = TRY(run_script("list ruleset\n", true));
        if (text.empty())
            return Error(ErrorKind::Unsupported, "libnftables was built without JSON");
        Result<Json> rules = parse_json(text, "the list of rules");
        if (rules || attempt == kAttempts) return rules;
        ::usleep(20000);
    }
}

}  // namespace davit::network
