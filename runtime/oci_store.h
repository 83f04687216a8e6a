#pragma once

#include "base/file.h"
#include "base/json.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/cgroup.h"
#include "runtime/spec.h"

#include <string>
#include <sys/types.h>
#include <vector>

/// The containers of the OCI command line: a folder each under the root folder, with config.json as
/// it was when the container was made, state.json, and the FIFOs through which `start` speaks with
/// an init process that another process has made.
namespace davit::runtime {

enum class OciStatus { Creating, Created, Running, Paused, Stopped };
const char* to_string(OciStatus status);

class OciContainer {
public:
    /// Claims `id`. @errors InvalidInput for an id with other letters than A-Z a-z 0-9 _ + - .;
    /// AlreadyExists where another container has it
    static Result<OciContainer> claim(const std::string& root, const std::string& id);
    /// @errors NotFound where there is no such container
    static Result<OciContainer> load(const std::string& root, const std::string& id);
    /// Ids of all containers, sorted.
    static Result<std::vector<std::string>> list(const std::string& root);

    const std::string& id() const { return id_; }
    const std::string& folder() const { return folder_; }
    std::string start_fifo() const { return folder_ + "/start"; }
    std::string report_fifo() const { return folder_ + "/report"; }
    pid_t pid() const { return pid_; }
    const std::string& created() const { return created_; }

    /// The configuration as it was when the container was made.
    Result<Spec> spec() const;
    Result<Cgroup> cgroup() const;
    /// What the kernel says now.
    OciStatus status() const;
    /// The init process, where it still is that one. @errors NotFound
    Result<UniqueFd> open_process() const;

    /// Writes down which process it is.
    Result<void> save(pid_t pid, const std::string& bundle);
    /// Removes the folder; what runs is none of its business.
    Result<void> forget() const { return remove_tree(folder_); }
    /// Held while the container is started or deleted.
    Result<FileLock> lock() const { return FileLock::exclusive(folder_ + "/lock"); }

private:
    OciContainer(std::string root, std::string id)
        : id_(std::move(id)), folder_(root + "/" + id_) {}

    std::string id_;
    std::string folder_;
    std::string bundle_;
    std::string created_;
    pid_t pid_ = 0;
    unsigned long long start_ticks_ = 0;
};

}  // namespace davit::runtime
