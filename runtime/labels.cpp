#include "runtime/labels.h"

#include "base/file.h"
#include "base/strings.h"

namespace davit::runtime {

bool apparmor_enabled() {
    const Result<std::string> text = read_file("/sys/module/apparmor/parameters/enabled");
    return text && trim(*text) == "Y";
}

bool selinux_enabled() { return exists("/sys/fs/selinux/enforce"); }

bool takes_label(const std::string& type) {
    return type == "tmpfs" || type == "devpts" || type == "mqueue" || type == "ramfs";
}

Result<void> check_labels(const Spec& spec) {
    const std::string& profile = spec.apparmor_profile;
    if (!profile.empty() && profile != "unconfined" && !apparmor_enabled())
        return Error(ErrorKind::Unsupported,
                     fmt::format("apparmorProfile '{}': this kernel has no AppArmor", profile))
            .help("take the profile out of the configuration");
    for (const std::string* label : {&spec.selinux_label, &spec.mount_label}) {
        if (!label->empty() && !selinux_enabled())
            return Error(ErrorKind::Unsupported,
                         fmt::format("label '{}': SELinux is not enabled on this machine", *label))
                .help("take the label out of the configuration");
    }
    return {};
}

void set_label(const Spec& spec, ChildPlan& plan) {
    if (!spec.apparmor_profile.empty() && apparmor_enabled()) {
        const bool own_file = exists("/proc/self/attr/apparmor/exec");
        plan.label_file =
            own_file ? "/proc/thread-self/attr/apparmor/exec" : "/proc/thread-self/attr/exec";
        plan.label = "exec " + spec.apparmor_profile;
    } else if (!spec.selinux_label.empty()) {
        plan.label_file = "/proc/thread-self/attr/exec";
        plan.label = spec.selinux_label;
    }
}

}  // namespace davit::runtime
