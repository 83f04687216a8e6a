#include "base/log.h"

#include "base/json.h"

#include <memory>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace davit::log {
namespace {

Format g_format = Format::Text;  // set once, before the first thread

spdlog::level::level_enum to_spdlog(Level level) {
    switch (level) {
        case Level::Debug: return spdlog::level::debug;
        case Level::Info: return spdlog::level::info;
        case Level::Warn: return spdlog::level::warn;
        case Level::Error: return spdlog::level::err;
        case Level::Off: return spdlog::level::off;
    }
    return spdlog::level::off;
}

/// Made on first use, so that a command that logs nothing pays nothing.
spdlog::logger& logger() {
    static const std::shared_ptr<spdlog::logger> made = [] {
        auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        auto created = std::make_shared<spdlog::logger>("davit", std::move(sink));
        created->set_level(spdlog::level::warn);
        return created;
    }();
    return *made;
}

}  // namespace

Result<void> configure(const Options& options) {
    g_format = options.format;
    if (!options.file.empty()) {
        try {
            logger().sinks() = {std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file)};
        } catch (const spdlog::spdlog_ex& problem) {
            return Error(ErrorKind::System, problem.what())
                .doing("open the log file '{}'", options.file);
        }
    }
    logger().set_level(to_spdlog(options.level));
    logger().flush_on(spdlog::level::debug);
    // The JSON form is made in write(), where the text can be escaped.
    logger().set_pattern(options.format == Format::Json ? "%v" : "%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    return {};
}

Result<Level> parse_level(std::string_view text) {
    if (text == "debug") return Level::Debug;
    if (text == "info") return Level::Info;
    if (text == "warn" || text == "warning") return Level::Warn;
    if (text == "error") return Level::Error;
    if (text == "off") return Level::Off;
    return Error(ErrorKind::InvalidInput, fmt::format("unknown log level '{}'", text))
        .help("use debug, info, warn, error or off");
}

Result<Format> parse_format(std::string_view text) {
    if (text == "text") return Format::Text;
    if (text == "json") return Format::Json;
    return Error(ErrorKind::InvalidInput, fmt::format("unknown log format '{}'", text))
        .help("use text or json");
}

bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }

void write(Level level, std::string_view category, std::string_view text) {
    if (g_format == Format::Text) {
        logger().log(to_spdlog(level), "{}: {}", category, text);
        return;
    }
    const auto name = spdlog::level::to_string_view(to_spdlog(level));
    const Json line = {{"time_unix_ms", std::chrono::duration_cast<std::chrono::milliseconds>(
                                            std::chrono::system_clock::now().time_since_epoch())
                                            .count()},
                       {"level", std::string(name.data(), name.size())},
                       {"category", category},
                       {"msg", text}};
    logger().log(to_spdlog(level), line.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace davit::log
