#pragma once

#include "tests/support/command.h"
#include "tests/support/temp_dir.h"

#include <functional>
#include <string>
#include <vector>

namespace davit::testing {

/// A place to run davit in: a data root, a run root and a project folder of its own, in the network
/// and mount namespaces that the test program made for itself. At the end of the scope everything
/// is taken down, also when the test has failed.
class Sandbox {
public:
    /// `project` must be no other test's: cgroups are the host's.
    explicit Sandbox(std::string project);
    ~Sandbox();
    Sandbox(const Sandbox&) = delete;
    Sandbox& operator=(const Sandbox&) = delete;

    /// Runs `davit ARGUMENTS` in the project folder.
    Outcome davit(std::vector<std::string> arguments) const;
    /// As `davit`, and the test fails with what it printed unless it exits with 0.
    std::string davit_ok(std::vector<std::string> arguments) const;
    Command davit_command(std::vector<std::string> arguments) const;

    /// Writes compose.yaml, beginning with the project's name.
    void compose(const std::string& services) const;
    void write(const std::string& name, const std::string& text) const;

    /// Loads a busybox image as local/busybox:1.
    void load_busybox() const;

    const std::string& project() const { return project_; }
    std::string folder() const { return dir_ / "project dir"; }  // with a blank, as folders have
    std::string data_root() const { return dir_ / "data"; }
    std::string run_root() const { return dir_ / "run"; }

    /// Everything on this machine that a project may leave behind, as text: links, packet rules,
    /// mounts, its cgroups, its processes, listening ports, the run root.
    std::string world() const;

    /// `{{…}}` of `davit inspect CONTAINER`.
    std::string inspect(const std::string& container, const std::string& format) const;

private:
    std::string project_;
    TempDir dir_;
};

/// The answer to an HTTP request, or "" where nobody answers within two seconds.
std::string http_get(const std::string& ip, int port, const std::string& path = "/");

/// Asks again until it holds, at most ten seconds. Returns whether it did.
bool eventually(const std::function<bool()>& holds);

}  // namespace davit::testing
