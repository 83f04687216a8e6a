#include "runtime/program.h"

#include "base/file.h"
#include "base/strings.h"

namespace davit::runtime {
namespace {

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace

std::vector<std::string> program_candidates(const Spec& spec) {
    const std::string& name = spec.args.front();
    if (name.find('/') != std::string::npos) return {name};
    std::string path = kDefaultPath;
    for (const std::string& variable : spec.env) {
        if (variable.starts_with("PATH=")) path = variable.substr(5);
    }
    std::vector<std::string> list;
    for (const std::string& folder : split(path, ':'))
        list.push_back(join_path(folder.empty() ? "." : folder, name));
    return list;
}

std::vector<char*> exec_pointers(const std::vector<std::string>& strings) {
    std::vector<char*> list;
    // execve(2) takes char* but does not write.
    for (const std::string& text : strings) list.push_back(const_cast<char*>(text.c_str()));
    list.push_back(nullptr);
    return list;
}

int last_capability() {
    const Result<std::string> text = read_file("/proc/sys/kernel/cap_last_cap");
    return text ? static_cast<int>(parse_integer(trim(*text)).value_or(40)) : 40;
}

}  // namespace davit::runtime
