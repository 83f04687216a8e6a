#pragma once

namespace davit::cli {

/// Exit statuses of the program; those of docker compose 2, where it has one.
inline constexpr int kOk = 0;
inline constexpr int kFailed = 1;         ///< Anything without a status of its own.
inline constexpr int kChanges = 2;        ///< `plan --detailed-exitcode`: there is something to do.
inline constexpr int kNoFile = 14;        ///< No compose file, or one that -f names is not there.
inline constexpr int kBadFile = 15;       ///< The compose file has mistakes.
inline constexpr int kBadUsage = 16;      ///< Unknown command or flag.
inline constexpr int kInterrupted = 130;  ///< Ctrl-C or SIGTERM.

}  // namespace davit::cli
