#include "tests/system/verify.h"

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "tests/support/command.h"

#include <fmt/format.h>
#include <map>
#include <set>

namespace davit::testing {
namespace {

struct Container {
    std::string project = {};
    std::string name = {};
    std::string run_dir = {};
    Json state = {};
    Json claims = {};
    Json record = {};
    bool lives = false;    ///< Its first process does.
    bool guarded = false;  ///< Its guard does.
    std::string where() const { return project + "/" + name; }
};

/// Of /proc/PID/stat, counted behind the name, which may hold blanks and parentheses.
std::string stat_field(long long pid, std::size_t index) {
    const Result<std::string> text = read_file(fmt::format("/proc/{}/stat", pid));
    if (!text) return {};
    const std::vector<std::string> fields = split(text->substr(text->rfind(')') + 2), ' ');
    return index < fields.size() ? fields[index] : std::string();
}

bool alive(const Json& state, const char* pid_key, const char* ticks_key) {
    const long long pid = integer_or(state, pid_key);
    constexpr std::size_t kState = 0;
    constexpr std::size_t kStartTime = 19;
    if (pid <= 0) return false;
    const std::string letter = stat_field(pid, kState);
    return !letter.empty() && letter != "Z" && letter != "X" &&
           stat_field(pid, kStartTime) == fmt::format("{}", integer_or(state, ticks_key));
}

class Oracle {
public:
    Oracle(std::string run_root, std::string data_root)
        : run_root_(std::move(run_root)), data_root_(std::move(data_root)) {}

    std::vector<std::string> look() {
        gather();
        for (const Container& container : containers_) look_at(container);
        look_at_records();
        look_at_links();
        look_at_guards();
        look_at_cgroups();
        look_at_mounts();
        look_at_rules();
        look_at_files();
        return std::move(wrong_);
    }

private:
    void say(std::string what) { wrong_.push_back(std::move(what)); }

    /// A record that must be whole; empty where it isn't.
    Json whole(const std::string& path) {
        Result<Json> json = read_json(path);
        if (json) return *std::move(json);
        if (json.error().kind() != ErrorKind::NotFound) say(json.error().to_string());
        return Json::object();
    }

    static std::vector<std::string> names_in(const std::string& folder) {
        const auto names = list_directory(folder);
        return names ? *names : std::vector<std::string>();
    }

    void gather() {
        for (const std::string& project : names_in(run_root_)) {
            const std::string folder = run_root_ + "/" + project;
            if (project.starts_with('.') || !exists(folder + "/.project.json")) continue;
            for (const std::string& network : names_in(folder + "/.networks"))
                bridges_.insert(string_or(whole(folder + "/.networks/" + network), "bridge"));
            for (const std::string& name : names_in(folder)) {
                if (name.starts_with('.')) continue;
                Container container{project, name, folder + "/" + name};
                container.state = whole(container.run_dir + "/state.json");
                container.claims = whole(container.run_dir + "/claims.json");
                container.record = whole(bundle_of(project, name) + "/record.json");
                container.lives = alive(container.state, "pid", "start_ticks");
                container.guarded = alive(container.state, "guard_pid", "guard_start_ticks");
                containers_.push_back(std::move(container));
            }
        }
    }

    std::string bundle_of(const std::string& project, const std::string& name) const {
        return data_root_ + "/projects/" + project + "/containers/" + name;
    }

    void look_at(const Container& container) {
        const std::string status = string_or(container.state, "status");
        const bool runs = status == "running" || status == "paused";
        if (runs && !container.lives)
            say(container.where() + " is said to be " + status + ", and no process lives");
        if (!runs && container.lives && !container.guarded)
            say(container.where() + " is said to be " + status + ", and its process lives");
        if (container.lives && !container.guarded) say(container.where() + " has no guard");
        if (exists(container.run_dir + "/unfinished"))
            say(container.where() + " was left by a run that was killed");
        if (container.record.empty()) say(container.where() + " runs without a record");
        if (exists(container.run_dir + "/control.sock") && !container.guarded)
            say(container.where() + " has the socket of a guard that is gone");
        // I8: without a guard nobody saw the end.
        const bool unseen =
            string_or(container.state, "error").find("guard was killed") != std::string::npos;
        if (unseen && integer_or(container.state, "exit_code") == 0)
            say(container.where() + " is told to have ended well, and nobody saw it");
    }

    void look_at_records() {
        for (const std::string& project : names_in(data_root_ + "/projects")) {
            const std::string folder = data_root_ + "/projects/" + project;
            for (const std::string& network : names_in(folder + "/networks"))
                whole(folder + "/networks/" + network);
            for (const std::string& name : names_in(folder + "/containers")) {
                const std::string bundle = bundle_of(project, name);
                whole(bundle + "/record.json");
                whole(bundle + "/config.json");
                // Without its configuration it was never made whole: `up` must have seen to it.
                if (!exists(bundle + "/config.json")) say(project + "/" + name + " is half made");
            }
        }
    }

    void look_at_links() {
        std::set<std::string> known = bridges_;
        std::set<std::string> needed = bridges_;
        for (const Container& container : containers_) {
            const auto endpoints = container.record.find("endpoints");
            if (endpoints == container.record.end()) continue;
            for (const Json& endpoint : *endpoints) {
                const std::string link = string_or(endpoint, "host_link");
                if (container.lives || container.guarded) known.insert(link);
                // One whose start was killed waits for another one, and may have no link yet.
                const bool waits = string_or(container.state, "status") == "created";
                if (container.lives && !waits && !link.empty()) needed.insert(link);
            }
        }
        std::set<std::string> there;
        for (const std::string& line :
             split(run({.argv = {"ip", "-o", "link", "show"}}).out, '\n')) {
            const std::vector<std::string> words = split(line, ' ');
            if (words.size() < 2) continue;
            const std::string link = words[1].substr(0, words[1].find_first_of("@:"));
            there.insert(link);
            const bool ours = link.starts_with("dvb-") || link.starts_with("dvv-");
            if (ours && !known.contains(link)) say("the link " + link + " is nobody's");
        }
        for (const std::string& link : needed)
            if (!there.contains(link)) say("the link " + link + " is missing");
    }

    void look_at_guards() {
        std::set<std::string> known;
        for (const Container& container : containers_) {
            if (!container.guarded) continue;
            known.insert(fmt::format("{}", integer_or(container.state, "guard_pid")));
            // What waits to become its first process, and what keeps its terminal or standard
            // input, are still the guard's program.
            known.insert(fmt::format("{}", integer_or(container.state, "pid")));
            if (const auto keeper = container.state.find("keeper"); keeper != container.state.end())
                known.insert(fmt::format("{}", integer_or(*keeper, "pid")));
        }
        for (const std::string& pid : names_in("/proc")) {
            if (!parse_integer(pid) || known.contains(pid)) continue;
            const Result<std::string> line = read_file("/proc/" + pid + "/cmdline");
            if (line && line->find("davit-runtime") != std::string::npos &&
                line->find(run_root_) != std::string::npos)
                say("the guard " + pid + " is nobody's");
        }
    }

    void look_at_cgroups() {
        const Result<std::string> mounts = read_file("/proc/self/mountinfo");
        for (const std::string& line : split(mounts ? *mounts : std::string(), '\n')) {
            if (line.find(" - cgroup") == std::string::npos) continue;
            for (const std::string& project : names_in(data_root_ + "/projects"))
                look_at_cgroups_of(split(line, ' ').at(4) + "/davit/" + project, project);
        }
    }

    void look_at_cgroups_of(const std::string& folder, const std::string& project) {
        for (const std::string& name : names_in(folder)) {
            const std::string path = folder + "/" + name;
            if (!exists(path + "/cgroup.procs")) continue;  // a file of the cgroup itself
            bool known = false;
            for (const Container& container : containers_)
                known = known || (container.project == project && container.name == name &&
                                  (container.lives || container.guarded));
            const Result<std::string> processes = read_file(path + "/cgroup.procs");
            if (!known)
                say(fmt::format("the cgroup {} is nobody's, and has the processes '{}'", path,
                                processes ? trim(*processes) : ""));
        }
    }

    void look_at_mounts() {
        const Result<std::string> mounts = read_file("/proc/self/mountinfo");
        for (const std::string& line : split(mounts ? *mounts : std::string(), '\n')) {
            const std::vector<std::string> words = split(line, ' ');
            if (words.size() > 4 && (words[4].starts_with(run_root_ + "/") ||
                                     words[4].starts_with(data_root_ + "/projects/")))
                say("there is a mount at " + words[4]);
        }
    }

    void look_at_rules() {
        const std::string rules =
            run({.argv = {"nft", "-n", "list", "table", "inet", "davit"}}).out;
        for (const std::string& bridge : bridges_)
            if (rules.find("\"" + bridge + "\"") == std::string::npos)
                say("there are no rules for the network " + bridge);
        if (bridges_.empty() && rules.find("dvb-") != std::string::npos)
            say("there are rules of a network that is gone");
        for (const Container& container : containers_) {
            const auto ports = container.claims.find("ports");
            if (ports == container.claims.end() || !container.lives ||
                !container.claims.value("published", false))
                continue;
            for (const Json& port : *ports) {
                const long long number = integer_or(port, "host_port");
                if (rules.find(fmt::format(" . {} : ", number)) == std::string::npos)
                    say(fmt::format("{}: port {} is in no rule", container.where(), number));
            }
        }
    }

    void look_at_files() {
        for (const std::string& folder : {run_root_, data_root_ + "/projects"})
            for (const std::string& path :
                 split(run({.argv = {"find", folder, "-name", "*.tmp"}}).out, '\n'))
                if (!path.empty() && path.find("/rw/") == std::string::npos)
                    say("left behind: " + path);
        for (const std::string& bridge : names_in(run_root_ + "/.zones"))
            for (const std::string& zone : names_in(run_root_ + "/.zones/" + bridge)) {
                bool known = false;
                for (const Container& container : containers_)
                    known = known || (zone.find(container.name) != std::string::npos &&
                                      (container.lives || container.guarded));
                if (!known) say("the zone file " + zone + " is nobody's");
            }
    }

    std::string run_root_;
    std::string data_root_;
    std::vector<Container> containers_ = {};
    std::set<std::string> bridges_ = {};
    std::vector<std::string> wrong_ = {};
};

}  // namespace

std::vector<std::string> verify(const std::string& run_root, const std::string& data_root) {
    return Oracle(run_root, data_root).look();
}

}  // namespace davit::testing
