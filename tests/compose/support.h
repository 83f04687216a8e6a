#pragma once

#include "base/diagnostic.h"
#include "base/file.h"
#include "compose/loader.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <map>
#include <string>

namespace davit::compose::testing {

/// A folder that is gone at the end of the test.
class ScratchFolder {
public:
    ScratchFolder() : path_(top_ / "shop") { REQUIRE(make_directories(path_, 0700).ok()); }

    /// Ends in "/shop", which makes the project's name.
    const std::string& path() const { return path_; }
    void write(const std::string& name, const std::string& text) const {
        const std::string path = join_path(path_, name);
        REQUIRE(make_directories(path.substr(0, path.rfind('/')), 0700).ok());
        REQUIRE(write_in_place(path, text, 0600).ok());
    }
    LoadOptions options() const {
        LoadOptions options;
        options.working_dir = path_;
        options.environment = {{"HOME", "/home/tester"}};
        return options;
    }

private:
    davit::testing::TempDir top_;
    std::string path_;
};

inline std::string rendered(const Diagnostics& diagnostics) {
    std::string text;
    for (const Diagnostic& diagnostic : diagnostics.list()) text += render(diagnostic);
    return text;
}

/// Every remark in one line: "compose.yaml:1:2: message".
inline std::string summary(const Diagnostics& diagnostics) {
    std::string text;
    for (const Diagnostic& diagnostic : diagnostics.list()) {
        const std::string place = to_string(diagnostic.where);
        text += (place.empty() ? "" : place + ": ") + diagnostic.message + "\n";
    }
    return text;
}

/// What a project of files says, and the remarks about it.
struct Loaded {
    std::optional<LoadedProject> result = {};
    std::string remarks = {};
    std::string folder = {};

    const Project& project() const {
        REQUIRE_MESSAGE(result.has_value(), remarks);
        return result->project;
    }
    const Service& service(const std::string& name) const { return project().services.at(name); }
};

inline Loaded load_files(const std::map<std::string, std::string>& files) {
    const ScratchFolder folder;
    for (const auto& [name, text] : files) folder.write(name, text);
    Loaded loaded;
    Diagnostics diagnostics;
    loaded.result = load_project(folder.options(), diagnostics);
    loaded.remarks = summary(diagnostics);
    loaded.folder = folder.path();
    return loaded;
}

inline Loaded load_text(const std::string& text) { return load_files({{"compose.yaml", text}}); }

/// A service `web` with the lines beneath it, each indented by four blanks already.
inline Loaded load_web(const std::string& lines) {
    return load_text("services:\n  web:\n    image: nginx\n" + lines);
}

}  // namespace davit::compose::testing
