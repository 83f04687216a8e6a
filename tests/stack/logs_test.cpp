#include "stack/logs.h"

#include "base/duration.h"
#include "base/file.h"
#include "base/json.h"
#include "base/sys.h"
#include "runtime/log_compress.h"
#include "stack/log_entry.h"
#include "tests/support/temp_dir.h"

#include <atomic>
#include <cstdio>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <thread>

using namespace davit;
using namespace davit::stack;
using davit::testing::TempDir;

namespace {

std::string entry(const std::string& text, int second = 0, const char* stream = "stdout") {
    const Json json = {{"log", text},
                       {"stream", stream},
                       {"time", fmt::format("2026-01-01T00:00:{:02}.5Z", second)}};
    return json.dump() + "\n";
}

void append(const std::string& path, const std::string& text) {
    const auto fd = sys::open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    REQUIRE(fd.ok());
    REQUIRE(write_all(*fd, text).ok());
}

/// Renames as the guard does: oldest first.
void rotate(const std::string& path, int keep) {
    for (int i = keep; i > 0; --i) {
        const std::string from = i == 1 ? path : fmt::format("{}.{}", path, i - 1);
        std::rename(from.c_str(), fmt::format("{}.{}", path, i).c_str());
    }
}

std::chrono::system_clock::time_point at(int second) {
    return *parse_rfc3339(fmt::format("2026-01-01T00:00:{:02}.5Z", second));
}

std::string all_of(const std::vector<std::string>& paths, const LogOptions& options) {
    std::string text;
    const Result<void> done = read_logs(paths, options, [&](const LogLine& line) {
        text += fmt::format("{}{}", line.source, line.text);
    });
    return done ? text : "error: " + done.error().to_string();
}

LogOptions tail(std::size_t lines) {
    LogOptions options;
    options.tail = lines;
    return options;
}

}  // namespace

TEST_CASE("a log entry is decoded byte for byte") {
    struct Case {
        const char* line;
        const char* text;
    };
    const Case cases[] = {
        {R"({"log":"plain\n","stream":"stdout","time":"2026-01-01T00:00:00Z"})", "plain\n"},
        {R"( { "time" : "2026-01-01T00:00:00Z" , "log" : "x" } )", "x"},
        {R"({"log":"\"\\\/\b\f\r\t","time":"2026-01-01T00:00:00Z"})", "\"\\/\b\f\r\t"},
        {R"({"log":"\u0041\u00e4\u20ac\ud83d\ude00","time":"2026-01-01T00:00:00Z"})",
         "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {R"({"log":"\ud800x","time":"2026-01-01T00:00:00Z"})", "\xef\xbf\xbdx"},
        {"{\"log\":\"raw \xff\x9b\",\"time\":\"2026-01-01T00:00:00Z\"}", "raw \xff\x9b"},
        {R"({"log":"x","attrs":{"a":"b"},"time":"2026-01-01T00:00:00Z"})", "x"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.line);
        const auto parsed = parse_log_entry(c.line);
        REQUIRE(parsed.has_value());
        CHECK(parsed->text == c.text);
    }
    for (const char* line :
         {"", "{", "plain text", R"({"log":"x)", R"({"log":"x","stream":"stdout"})",
          R"({"log":"\u12","time":"2026-01-01T00:00:00Z"})", R"({"log":"x","time":"soon"})"}) {
        CAPTURE(line);
        CHECK(!parse_log_entry(line).has_value());
    }
    CHECK(
        parse_log_entry(R"({"log":"x","stream":"stderr","time":"2026-01-01T00:00:00Z"})")->stream ==
        LogLine::Stream::Stderr);
}

TEST_CASE("logs are read one container after the other and rotated files first") {
    const TempDir dir;
    const std::string a = dir / "a.log";
    const std::string b = dir / "b.log";
    append(a + ".2", entry("1 "));
    append(a + ".1", entry("2 ") + entry("3 "));
    append(a, entry("4 "));
    append(b, entry("5 "));
    CHECK(all_of({a, b, dir / "missing/c.log"}, {}) == "01 02 03 04 15 ");
}

TEST_CASE("unreadable and unfinished lines are passed over") {
    const TempDir dir;
    const std::string path = dir / "a.log";
    append(path, entry("1 ") + "garbage\n" + entry("2 ") + R"({"log":"3 ","str)");
    CHECK(all_of({path}, {}) == "01 02 ");
}

TEST_CASE("tail takes the last lines across rotated files") {
    const TempDir dir;
    const std::string path = dir / "a.log";
    append(path + ".2", entry("1 ") + entry("2 "));
    append(path + ".1", entry("3 ") + entry("4 "));
    append(path, entry("5 "));
    CHECK(all_of({path}, tail(0)).empty());
    CHECK(all_of({path}, tail(1)) == "05 ");
    CHECK(all_of({path}, tail(2)) == "04 05 ");
    CHECK(all_of({path}, tail(3)) == "03 04 05 ");
    CHECK(all_of({path}, tail(4)) == "02 03 04 05 ");
    CHECK(all_of({path}, tail(99)) == "01 02 03 04 05 ");
}

TEST_CASE("tail finds lines that are longer than what is read at once") {
    const TempDir dir;
    const std::string path = dir / "a.log";
    const std::string longer(200000, 'x');
    append(path, entry("first\n") + entry(longer + "\n") + entry("last\n"));
    CHECK(all_of({path}, tail(1)) == "0last\n");
    CHECK(all_of({path}, tail(2)) == "0" + longer + "\n0last\n");
    CHECK(all_of({path}, tail(3)) == "0first\n0" + longer + "\n0last\n");
}

TEST_CASE("since and until cut by time") {
    const TempDir dir;
    const std::string path = dir / "a.log";
    for (int second = 1; second <= 5; ++second)
        append(path, entry(fmt::format("{} ", second), second));
    LogOptions options;
    options.since = at(2);
    CHECK(all_of({path}, options) == "02 03 04 05 ");
    options.until = at(4);
    CHECK(all_of({path}, options) == "02 03 04 ");
    options.since.reset();
    CHECK(all_of({path}, options) == "01 02 03 04 ");
    options.tail = 2;
    CHECK(all_of({path}, options) == "03 04 ");
}

TEST_CASE("following goes on through rotations and loses no line") {
    const TempDir dir;
    const std::string path = dir / "logs/a.log";
    REQUIRE(make_directories(dir / "logs", 0700).ok());
    constexpr int kLines = 3000;
    append(path, entry("0"));
    std::thread writer([&] {
        for (int i = 1; i < kLines; ++i) {
            // Never more files than are kept, or lines would be lost to rotation itself.
            if (i % 100 == 0) rotate(path, 40);
            const std::string text = entry(std::to_string(i));
            append(path, text.substr(0, text.size() / 2));  // a reader may see half a line
            append(path, text.substr(text.size() / 2));
        }
    });
    int expected = 0;
    bool in_order = true;
    const Result<void> done = follow_logs(
        {path}, {}, -1, [] { return false; },
        [&](const LogLine& line) {
            in_order = in_order && line.text == std::to_string(expected);
            return ++expected < kLines;
        });
    writer.join();
    CHECK(done.ok());
    CHECK(in_order);
    CHECK(expected == kLines);
}

TEST_CASE("compressed files are read where they belong, and known again") {
    const TempDir dir;
    const std::string path = dir / "a.log";
    for (int i = 0; i < 6; ++i) {
        append(path, entry(std::to_string(i) + " ", i));
        if (i < 5) rotate(path, 9);
    }
    // 5 is being written, 4 is .1 … 0 is .5
    for (const char* suffix : {".2", ".3", ".5"})
        REQUIRE(runtime::compress_log(path + suffix).ok());
    CHECK(all_of({path}, {}) == "00 01 02 03 04 05 ");
    CHECK(all_of({path}, tail(4)) == "02 03 04 05 ");
    // What was read once is not read again when it is compressed meanwhile.
    int expected = 0;
    const Result<void> done = follow_logs(
        {path}, {}, -1, [] { return false; },
        [&](const LogLine& line) {
            CHECK(line.text == std::to_string(expected) + " ");
            if (expected == 5) {
                rotate(path, 9);
                CHECK(runtime::compress_log(path + ".1").ok());
                append(path, entry("6 "));
            }
            return ++expected < 7;
        });
    CHECK(done.ok());
    CHECK(expected == 7);
    // A damaged one is an error that names it.
    append(dir / "b.log", entry("x"));
    append(dir / "b.log.1.gz", "no gzip at all");
    CHECK(all_of({dir / "b.log"}, {}).find("b.log.1.gz") != std::string::npos);
}

TEST_CASE("following sees folders and files that are made later") {
    const TempDir dir;
    const std::string path = dir / "project/logs/a.log";
    std::thread writer([&] {
        REQUIRE(make_directories(dir / "project", 0700).ok());
        REQUIRE(make_directories(dir / "project/logs", 0700).ok());
        append(path, entry("hello"));
    });
    std::string text;
    const Result<void> done = follow_logs(
        {path}, {}, -1, [] { return false; },
        [&](const LogLine& line) {
            text = line.text;
            return false;
        });
    writer.join();
    CHECK(done.ok());
    CHECK(text == "hello");
}

TEST_CASE("following ends when its caller is done and gives the last lines first") {
    const TempDir dir;
    const std::string path = dir / "a.log";
    const UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    std::atomic<bool> ended = false;
    std::string text;
    std::thread container([&] {
        append(path, entry("bye"));
        ended = true;
        const std::uint64_t one = 1;
        CHECK(::write(wake.get(), &one, sizeof one) == sizeof one);
    });
    const Result<void> done = follow_logs(
        {path}, {}, wake.get(), [&] { return ended.load(); },
        [&](const LogLine& line) {
            text += line.text;
            return true;
        });
    container.join();
    CHECK(done.ok());
    CHECK(text == "bye");
}

TEST_CASE("following with an end in the past reads and returns") {
    const TempDir dir;
    const std::string path = dir / "a.log";
    append(path, entry("1 ", 1) + entry("2 ", 2));
    LogOptions options;
    options.until = at(1);
    std::string text;
    CHECK(follow_logs({path}, options, -1, {}, [&](const LogLine& line) {
              text += line.text;
              return true;
          }).ok());
    CHECK(text == "1 ");
}
