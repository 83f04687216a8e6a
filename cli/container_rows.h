#pragma once

#include "base/json.h"
#include "stack/status.h"

#include <chrono>
#include <string>
#include <vector>

/// What `ps` shows of containers. Pure: the time is an argument.
namespace davit::cli {

/// Of an id where there is no room for all of it, as Docker has it.
inline constexpr std::size_t kIdDigits = 12;

using TimePoint = std::chrono::system_clock::time_point;

/// One container with the keys of `docker compose ps --format json`.
Json container_row(const stack::ContainerView& view, TimePoint now, bool whole = false);

/// The table of `docker compose ps`, header included. `whole`: nothing is cut.
std::string container_table(const std::vector<stack::ContainerView>& views, TimePoint now,
                            bool whole = false);

/// "Up 4 seconds", "Exited (3) 2 minutes ago", "Created".
std::string status_text(const stack::ContainerView& view, TimePoint now);

/// Whether `ps` without -a shows it.
bool is_up(const stack::ContainerView& view);

/// "2 minutes ago" for an RFC 3339 time, "N/A" where it is none.
std::string ago(const std::string& time, TimePoint now);

/// An RFC 3339 time as Docker's JSON has it: "2026-11-23 21:42:52 +0000 UTC".
std::string docker_time(const std::string& time);

}  // namespace davit::cli
