#pragma once

#include "base/result.h"
#include "runtime/child.h"
#include "runtime/spec.h"

#include <string>

/// AppArmor profiles and SELinux labels, where the kernel has them.
namespace davit::runtime {

bool apparmor_enabled();
bool selinux_enabled();

/// Whether mounts of this type take a `context` option. @source runc libcontainer/rootfs_linux.go
bool takes_label(const std::string& type);

/// @errors Unsupported where the configuration names a profile or a label and the kernel has no
/// such module
Result<void> check_labels(const Spec& spec);

/// Fills in where and what the child writes for the label of its program.
void set_label(const Spec& spec, ChildPlan& plan);

}  // namespace davit::runtime
