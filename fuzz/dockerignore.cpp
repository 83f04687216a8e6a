#include "builder/ignore.h"
#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace davit;  // NOLINT(google-build-using-namespace)
    const auto file = std::make_shared<const SourceFile>(
        SourceFile{".dockerignore", std::string(fuzz::as_text(data, size))});
    Diagnostics diagnostics;
    const auto ignore = builder::IgnoreFile::parse(file, diagnostics);
    for (const Diagnostic& diagnostic : diagnostics.list())
        fuzz::require(static_cast<bool>(diagnostic.where), "a remark has a place");
    for (const char* path : {"a", "a/b", "src/main.go", "node_modules/x/y/z", "]", ".git"}) {
        const std::string beneath = std::string(path) + "/beneath";
        if (ignore.excludes(path) && !ignore.excludes(beneath))
            fuzz::require(ignore.may_hold_exceptions(path),
                          "a folder that is left out is entered for its exceptions", beneath);
    }
    return 0;
}
