#include "base/file.h"
#include "base/log.h"
#include "runtime/guard_process.h"
#include "runtime/own_program.h"
#include "runtime/program.h"
#include "runtime/protocol.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

// A guard becomes another davit-runtime, as it is after an upgrade, by execve(2): it stays the same
// process, and so the parent of its container, which notices nothing.
namespace davit::runtime {
namespace {

constexpr int kVersion = 1;

std::string handover_file(const std::string& run_dir) { return run_dir + "/renew.json"; }

}  // namespace

/// What keeps it from being now; nothing where nothing does.
Result<void> Guard::prepare_renewal(const std::string& program) {
    const bool runs = state_.status == Status::Running || state_.status == Status::Paused;
    if (state_.pid == 0 || !runs) return Error(ErrorKind::Busy, "the container does not run");
    if (state_.stopped_by_user || shutting_down_)
        return Error(ErrorKind::Busy, "the container is being stopped");
    if (!attached_->empty() || attached_->waits())
        return Error(ErrorKind::Busy, "somebody is attached to the container");
    if (::access(program.c_str(), X_OK) == -1)
        return Error::from_errno(errno, "access(2)").doing("execute '{}'", program);
    if (health_ && runs) health_->hold();  // a probe that is going on counts for nothing
    // The next program knows nothing of it, and would rotate while it works.
    end_compressor();
    // A line that has not ended yet is written in two pieces, as one that is too long.
    const auto now = std::chrono::system_clock::now();
    if (log_) log_->flush(now);
    if (forward_) forward_->flush(now);
    Result<void> written = write_state(options_.run_dir, state_);
    if (written)
        written = write_json(handover_file(options_.run_dir),
                             {{"version", kVersion},
                              {"control", control_.get()},
                              {"terminal", terminal_.get()},
                              {"input", attached_->input()},
                              {"oom_score", was_oom_score_.value_or("")}},
                             Sync::No);
    if (!written && health_ && state_.status == Status::Running) health_->release();
    return written;
}

void Guard::renew(const std::string& program) {
    const int kept[] = {control_.get(), terminal_.get(), attached_->input()};
    for (const int fd : kept) {
        if (fd != -1) (void)::fcntl(fd, F_SETFD, 0);
    }
    std::vector<std::string> words = {program,     "guard",          "--bundle", options_.bundle,
                                      "--run-dir", options_.run_dir, "--renew"};
    const std::vector<char*> argv = exec_pointers(words);
    char* const environment[] = {nullptr};
    // Whoever asks meanwhile waits at the socket. Ports and names of the guard's own are held again
    // some milliseconds later.
    if (container_->spec().namespaces.user) {
        ::execve(program.c_str(), argv.data(), environment);
    } else if (const Result<UniqueFd> file = open_read_only(program); file) {
        ::execveat(file->get(), "", argv.data(), environment, AT_EMPTY_PATH);
    } else {
        log::error("runtime", "{}", file.error().to_string());
    }
    log::error("runtime", "{}", Error::from_errno(errno, "execve(2)").to_string());
    for (const int fd : kept) {
        if (fd != -1) (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    ::unlink(handover_file(options_.run_dir).c_str());
    if (health_ && state_.status == Status::Running) health_->release();
}

/// What the process was before it became this program.
Result<void> Guard::read_handover() {
    const std::string path = handover_file(options_.run_dir);
    const Json handover = TRY(read_record(path, kVersion));
    ::unlink(path.c_str());
    const auto taken = [&](const char* key) {
        UniqueFd fd(static_cast<int>(integer_or(handover, key, -1)));
        if (fd) (void)::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
        return fd;
    };
    control_ = taken("control");
    terminal_ = taken("terminal");
    input_ = taken("input");
    if (const std::string score = string_or(handover, "oom_score"); !score.empty())
        was_oom_score_ = score;
    return {};
}

}  // namespace davit::runtime
