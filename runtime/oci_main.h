#pragma once

#include <string>
#include <vector>

namespace davit::runtime {

/// Whether `words`, what follows the program's name, are for the OCI command line.
bool is_oci_call(const std::vector<std::string>& words);

/// The OCI command line: "[flags] command [flags] ID". Returns the exit status.
int run_oci(const std::vector<std::string>& words);

}  // namespace davit::runtime
