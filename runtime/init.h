#pragma once

namespace davit::runtime {

/// Process 1 of a container with `init: true`: runs the program, passes signals on to it, reaps
/// what is orphaned, and ends as the program ends (128 + N where signal N ended it; 127 where it is
/// not there, 126 where it can't be run). Lives in the container: trusts nothing, needs nothing but
/// its own statically linked file. @source docker-init (tini), pid_namespaces(7)
///
/// `argv` is the program and its arguments, with a null at the end.
int run_init_process(char** argv);

}  // namespace davit::runtime
