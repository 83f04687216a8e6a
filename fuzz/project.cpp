#include "base/file.h"
#include "compose/loader.h"
#include "compose/model_output.h"
#include "fuzz/fuzz.h"
#include "tests/support/temp_dir.h"

#include <array>

// The whole loader. An input is up to three files, with NUL bytes between them: compose.yaml, .env
// and other.yaml, which the first may include or extend.
namespace davit::fuzz {
namespace {

/// The project's folder, one a process. Writes only what has changed.
class Folder {
public:
    const std::string& path() const { return path_; }

    void write(std::size_t which, std::string_view text) {
        if (written_[which] && texts_[which] == text) return;
        texts_[which] = text;
        written_[which] = true;
        const std::string path = join_path(path_, kNames[which]);
        require(write_in_place(path, text, 0600).ok(), "the input can be written to a file", path);
    }

    static constexpr std::array<const char*, 4> kNames = {"compose.yaml", ".env", "other.yaml",
                                                          "printed.yaml"};

private:
    testing::TempDir top_;
    std::string path_ = [this] {
        const std::string path = top_ / "shop";
        require(make_directories(path, 0700).ok(), "a folder can be made in /tmp");
        return path;
    }();
    std::array<std::string, kNames.size()> texts_;
    std::array<bool, kNames.size()> written_{};
};

struct Outcome {
    std::optional<compose::LoadedProject> loaded = {};
    std::string remarks = {};
};

Outcome load(const Folder& folder, const char* name) {
    compose::LoadOptions options;
    options.files = {name};
    options.working_dir = folder.path();
    options.environment = {{"HOME", "/home/tester"}, {"EMPTY", ""}, {"TAG", "1.27"}};
    options.purpose = compose::LoadOptions::Purpose::Show;
    Outcome outcome;
    Diagnostics diagnostics;
    outcome.loaded = load_project(options, diagnostics);
    for (const Diagnostic& diagnostic : diagnostics.list()) outcome.remarks += render(diagnostic);
    require(outcome.loaded.has_value() == diagnostics.ok(), "no project means an error, and back",
            outcome.remarks);
    return outcome;
}

}  // namespace
}  // namespace davit::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace davit;  // NOLINT(google-build-using-namespace)
    static fuzz::Folder folder;
    std::string_view rest = fuzz::as_text(data, size);
    for (std::size_t which = 0; which < 3; ++which) {
        const std::size_t end = std::min(rest.find('\0'), rest.size());
        folder.write(which, rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    const fuzz::Outcome first = fuzz::load(folder, "compose.yaml");
    if (!first.loaded) return 0;
    (void)compose::model_as_json(first.loaded->model, true);
    const std::string printed = compose::model_as_yaml(first.loaded->model, true);

    folder.write(3, printed);
    const fuzz::Outcome second = fuzz::load(folder, "printed.yaml");
    fuzz::require(second.loaded.has_value(), "what is printed loads again",
                  printed + second.remarks);
    const std::string printed_again = compose::model_as_yaml(second.loaded->model, true);
    fuzz::require(printed_again == printed, "it is printed the same way again",
                  fuzz::difference(printed, printed_again));
    return 0;
}
