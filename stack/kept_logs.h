#pragma once

#include "base/result.h"
#include "stack/records.h"

#include <string>

/// Logs outlive the container that wrote them, as long as another one of the same name follows: the
/// old files become the new one's rotated files, so that whoever reads finds one log.
namespace davit::stack {

/// How many files the log of a container may have.
int log_files_of(const ContainerRecord& record);

/// Folder of logs between two containers of a name.
std::string kept_logs(const Paths& paths, const std::string& project);

/// Puts the log of a container that is about to be removed aside.
Result<void> keep_logs(const Paths& paths, const ContainerRecord& record);

/// Gives a container that has not written anything yet the logs that were put aside, as many files
/// as it keeps beside the one it writes. What is too much goes.
Result<void> take_logs(const Paths& paths, const ContainerRecord& record, int max_files);

}  // namespace davit::stack
