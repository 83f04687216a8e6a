#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What people type who come from docker and docker compose.
namespace davit::cli {

/// The words of a command line, from the command on, as davit has them: `compose up` is `up`,
/// `container ls` is `ps`, `volume list` is `volume ls`, `ps -f name=web` is `ps --filter
/// name=web`. What is davit's own already stays as it is. Pure.
std::vector<std::string> without_habits(std::vector<std::string> words);

/// What to do instead of a command of docker that davit doesn't have: of "swarm", "info", …
std::optional<std::string> instead_of_command(std::string_view command);

/// The attribute of a compose file that does what a flag of `docker run` does: "mem_limit" for
/// "-m".
std::optional<std::string> attribute_of_run_flag(std::string_view flag);

}  // namespace davit::cli
