#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/oci_arguments.h"

#include <string>
#include <sys/types.h>
#include <vector>

/// The commands of the OCI command line, one function each: `words` are what follows its name. They
/// return the exit status, and print to standard output.
/// @source OCI runtime-tools command-line-interface.md; runc(8)
namespace davit::runtime {

class OciContainer;

struct OciGlobals {
    std::string root = {};  ///< Where the state of the containers is.
    bool systemd_cgroup = false;
};

using OciWords = std::vector<std::string>;

// oci_create.cpp
Result<int> oci_create(const OciGlobals& globals, const OciWords& words);
Result<int> oci_start(const OciGlobals& globals, const OciWords& words);
Result<int> oci_run(const OciGlobals& globals, const OciWords& words);

// oci_lifecycle.cpp
Result<int> oci_state(const OciGlobals& globals, const OciWords& words);
Result<int> oci_kill(const OciGlobals& globals, const OciWords& words);
Result<int> oci_delete(const OciGlobals& globals, const OciWords& words);
Result<int> oci_pause(const OciGlobals& globals, const OciWords& words);
Result<int> oci_resume(const OciGlobals& globals, const OciWords& words);
Result<int> oci_list(const OciGlobals& globals, const OciWords& words);
// oci_ps.cpp
Result<int> oci_ps(const OciGlobals& globals, const OciWords& words);

// oci_exec.cpp
Result<int> oci_exec(const OciGlobals& globals, const OciWords& words);

// oci_update.cpp
Result<int> oci_update(const OciGlobals& globals, const OciWords& words);
Result<int> oci_events(const OciGlobals& globals, const OciWords& words);

// oci_describe.cpp
Result<int> oci_features(const OciGlobals& globals, const OciWords& words);
Result<int> oci_spec(const OciGlobals& globals, const OciWords& words);

/// The container id, which must be the only word. @errors InvalidInput
Result<std::string> only_id(const OciArguments& arguments);
/// Writes to standard output.
void print(const std::string& text);
/// Ends what is left of a stopped container: its cgroups, its folder, and its poststop hooks, whose
/// failure is only logged.
Result<void> destroy(const OciContainer& container);
/// Connects to a stream socket of somebody who wants a descriptor. @errors NotFound
Result<UniqueFd> connect_stream(const std::string& path);
/// Writes a process number for who manages us. Does nothing without a path.
Result<void> write_pid_file(const std::string& path, pid_t pid);

}  // namespace davit::runtime
