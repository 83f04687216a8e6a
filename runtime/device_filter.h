#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/spec_resources.h"

#include <linux/bpf.h>
#include <vector>

/// Device rules on cgroup v2, where the kernel asks a BPF program instead of reading rules.
namespace davit::runtime {

/// The program for `rules`, of which the last one that fits a device decides; it answers 1 (allow)
/// or 0. Pure. @source cgroup-v2.rst "Device controller"; linux/bpf.h bpf_cgroup_dev_ctx
std::vector<bpf_insn> device_program(const std::vector<SpecDeviceRule>& rules);

/// Loads the program and makes it the only one of `cgroup` (a descriptor of its v2 folder).
/// @errors PermissionDenied without CAP_BPF; Unsupported where the kernel has no such programs
Result<void> attach_device_filter(const UniqueFd& cgroup, const std::vector<SpecDeviceRule>& rules);

}  // namespace davit::runtime
