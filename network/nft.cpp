#include "base/log.h"
#include "base/strings.h"
#include "network/ruleset.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <memory>
#include <nftables/libnftables.h>

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

}  // namespace

Result<void> apply(const Ruleset& rules) {
    const Library& nft = *TRY(library());
    const std::unique_ptr<nft_ctx, decltype(nft.release)> context(nft.make(NFT_CTX_DEFAULT),
                                                                  nft.release);
    if (!context) return Error(ErrorKind::System, "nft_ctx_new has no memory");
    nft.buffer_error(context.get());
    nft.buffer_output(context.get());
    const std::string script = render(rules);
    log::debug("network", "nft -f - <<'END'\n{}END", script);
    if (nft.run(context.get(), script.c_str()) == 0) return {};
    return Error(ErrorKind::System,
                 fmt::format("nftables: {}", first_lines(nft.errors(context.get()))))
        .help("check that the kernel has nf_tables: nft list ruleset");
}

}  // namespace davit::network
