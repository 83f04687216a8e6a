#include "runtime/oci_store.h"

#include "base/duration.h"
#include "base/strings.h"
#include "base/sys.h"

#include <cerrno>
#include <chrono>
#include <fmt/format.h>
#include <sys/stat.h>

namespace davit::runtime {
namespace {

constexpr int kVersion = 1;

Result<void> check_id(const std::string& id) {
    constexpr std::size_t kLongest = 200;
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '+' || c == '-' || c == '.';
    };
    bool good = !id.empty() && id.size() <= kLongest && id != "." && id != "..";
    for (const char c : id) good = good && fits(c);
    if (good) return {};
    return Error(ErrorKind::InvalidInput, fmt::format("'{}' is no container id", printable(id)))
        .help("use letters, digits and _ + - .");
}

/// Whether the process has ended and only waits to be collected.
bool is_zombie(pid_t pid) {
    const Result<std::string> text = read_file(fmt::format("/proc/{}/stat", pid));
    if (!text) return true;
    const std::size_t name_end = text->rfind(')');
    return name_end == std::string::npos || name_end + 2 >= text->size() ||
           (*text)[name_end + 2] == 'Z' || (*text)[name_end + 2] == 'X';
}

}  // namespace

const char* to_string(OciStatus status) {
    switch (status) {
        case OciStatus::Creating: return "creating";
        case OciStatus::Created: return "created";
        case OciStatus::Running: return "running";
        case OciStatus::Paused: return "paused";
        case OciStatus::Stopped: return "stopped";
    }
    return "?";
}

Result<OciContainer> OciContainer::claim(const std::string& root, const std::string& id) {
    TRY(check_id(id));
    TRY(make_directories(root, 0700));
    OciContainer container(root, id);
    if (::mkdir(container.folder_.c_str(), 0700) == -1) {
        const int error_number = errno;
        if (error_number == EEXIST)
            return Error(ErrorKind::AlreadyExists, fmt::format("container '{}' exists", id))
                .help("delete it, or use another id");
        return Error::from_errno(error_number, "mkdir(2)").doing("make '{}'", container.folder_);
    }
    return container;
}

Result<OciContainer> OciContainer::load(const std::string& root, const std::string& id) {
    TRY(check_id(id));
    OciContainer container(root, id);
    if (!exists(container.folder_))
        return Error(ErrorKind::NotFound, fmt::format("container '{}' does not exist", id));
    if (!exists(container.folder_ + "/state.json")) return container;  // being made, or half made
    const Json record = TRY(read_record(container.folder_ + "/state.json", kVersion));
    container.bundle_ = string_or(record, "bundle");
    container.created_ = string_or(record, "created");
    container.pid_ = static_cast<pid_t>(integer_or(record, "pid"));
    container.start_ticks_ = static_cast<unsigned long long>(integer_or(record, "startTicks"));
    return container;
}

Result<std::vector<std::string>> OciContainer::list(const std::string& root) {
    std::vector<std::string> ids = TRY(list_directory(root));
    std::erase_if(ids, [&](const std::string& name) {
        struct stat info {};
        return ::lstat((root + "/" + name).c_str(), &info) == -1 || !S_ISDIR(info.st_mode);
    });
    return ids;
}

Result<Spec> OciContainer::spec() const {
    const Json json = TRY(read_json(folder_ + "/config.json"));
    Spec spec = TRY_DOING(parse_spec(json), "read '{}/config.json'", folder_);
    spec.bundle = bundle_;
    spec.id = id_;
    spec.root_path = join_path(bundle_, spec.root_path);
    return spec;
}

Result<Cgroup> OciContainer::cgroup() const {
    const Spec spec = TRY(this->spec());
    return Cgroup::at(spec.cgroups_path);
}

OciStatus OciContainer::status() const {
    if (pid_ == 0)
        return exists(folder_ + "/state.json") ? OciStatus::Stopped : OciStatus::Creating;
    const Result<unsigned long long> ticks = sys::start_time(pid_);
    if (!ticks || *ticks != start_ticks_ || is_zombie(pid_)) return OciStatus::Stopped;
    if (exists(start_fifo())) return OciStatus::Created;
    const Result<Cgroup> group = cgroup();
    return group && group->frozen() ? OciStatus::Paused : OciStatus::Running;
}

Result<UniqueFd> OciContainer::open_process() const {
    if (pid_ == 0)
        return Error(ErrorKind::NotFound, fmt::format("container '{}' does not run", id_));
    Result<UniqueFd> process = sys::open_process(pid_, start_ticks_);
    if (process && !is_zombie(pid_)) return process;
    return Error(ErrorKind::NotFound, fmt::format("container '{}' does not run", id_));
}

Result<void> OciContainer::save(pid_t pid, const std::string& bundle) {
    pid_ = pid;
    bundle_ = bundle;
    start_ticks_ = TRY(sys::start_time(pid));
    created_ = rfc3339(std::chrono::system_clock::now());
    return write_json(folder_ + "/state.json",
                      {{"version", kVersion},
                       {"id", id_},
                       {"pid", pid_},
                       {"startTicks", start_ticks_},
                       {"bundle", bundle_},
                       {"created", created_}},
                      Sync::No);
}

}  // namespace davit::runtime
