#include "runtime/log_file.h"

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "runtime/log_compress.h"
#include "tests/support/temp_dir.h"

#include <csignal>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <random>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace davit;
using namespace davit::runtime;
using davit::testing::TempDir;
using Stream = LogFile::Stream;

namespace {

const auto kNow = std::chrono::system_clock::time_point(std::chrono::seconds(1767323045));

struct Entry {
    std::string log;
    std::string stream;
    bool operator==(const Entry&) const = default;
};

/// Every line of `path` must be one whole JSON object.
std::vector<Entry> entries(const std::string& path) {
    const auto text = read_file(path);
    REQUIRE_MESSAGE(text.ok(), path);
    std::vector<Entry> list;
    for (const std::string& line : split(*text, '\n')) {
        if (line.empty()) continue;
        const auto json = parse_json(line, "line");
        REQUIRE_MESSAGE(json.ok(), line);
        list.push_back({json->at("log").get<std::string>(), json->at("stream").get<std::string>()});
    }
    return list;
}

LogFile open_log(const std::string& path, std::int64_t max_size = -1, int max_files = 1) {
    auto log = LogFile::open({path, max_size, max_files});
    REQUIRE(log.ok());
    return *std::move(log);
}

}  // namespace

TEST_CASE("strings are quoted so that any JSON reader gets them back") {
    const std::string plain[] = {"",
                                 "abc",
                                 "\"quoted\" \\ back",
                                 std::string("\0\x01\x1f\x7f", 4),
                                 "tab\tcr\rnl\n",
                                 "üöä € 𝄞",
                                 "\xef\xbf\xbd"};
    for (const std::string& text : plain) {
        const auto parsed = parse_json(json_quoted(text), "quoted");
        REQUIRE_MESSAGE(parsed.ok(), json_quoted(text));
        CHECK(parsed->get<std::string>() == text);
    }
}

TEST_CASE("bytes that are not UTF-8 become replacement characters") {
    struct Case {
        std::string bytes;
        std::string shown;
    };
    const std::string kBad = "\xef\xbf\xbd";
    const Case cases[] = {
        {"a\xff", "a" + kBad},
        {"\xc3", kBad},                                   // cut short
        {"\xc0\xaf", kBad + kBad},                        // overlong
        {"\xe0\x80\xaf", kBad + kBad + kBad},             // overlong
        {"\xed\xa0\x80", kBad + kBad + kBad},             // a surrogate
        {"\xf4\x90\x80\x80", kBad + kBad + kBad + kBad},  // beyond U+10FFFF
        {"\xf0\x9d\x84", kBad + kBad + kBad},
        {"\x80x", kBad + "x"},
        {"\xc3(", kBad + "("},
    };
    for (const Case& c : cases) {
        const auto parsed = parse_json(json_quoted(c.bytes), "quoted");
        REQUIRE(parsed.ok());
        CHECK(parsed->get<std::string>() == c.shown);
    }
}

TEST_CASE("any bytes make a string that nlohmann reads") {
    std::mt19937 random(7);
    for (int round = 0; round < 2000; ++round) {
        std::string bytes(random() % 12, '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        const auto parsed = parse_json(json_quoted(bytes), "quoted");
        REQUIRE_MESSAGE(parsed.ok(), json_quoted(bytes));
        // Where the library finds nothing to replace, both say the same.
        bool valid = true;
        try {
            (void)Json(bytes).dump(-1, ' ', false);
        } catch (const nlohmann::json::exception&) {
            valid = false;
        }
        if (valid)
            CHECK(parsed->get<std::string>() == bytes);
        else
            CHECK(parsed->get<std::string>().find("\xef\xbf\xbd") != std::string::npos);
    }
}

TEST_CASE("whole lines are written at once and the rest waits for its line break") {
    const TempDir dir;
    LogFile log = open_log(dir / "sub/folder/log.json");
    log.append(Stream::Stdout, "one\ntw", kNow);
    log.append(Stream::Stderr, "problem\n", kNow);
    CHECK(entries(dir / "sub/folder/log.json") ==
          std::vector<Entry>{{"one\n", "stdout"}, {"problem\n", "stderr"}});
    log.append(Stream::Stdout, "o\n\n", kNow);
    log.append(Stream::Stdout, "the end", kNow);
    log.append(Stream::Stderr, "too", kNow);
    log.flush(kNow);
    log.flush(kNow);  // nothing waits any more
    CHECK(entries(dir / "sub/folder/log.json") == std::vector<Entry>{{"one\n", "stdout"},
                                                                     {"problem\n", "stderr"},
                                                                     {"two\n", "stdout"},
                                                                     {"\n", "stdout"},
                                                                     {"the end", "stdout"},
                                                                     {"too", "stderr"}});
    const auto text = read_file(dir / "sub/folder/log.json");
    CHECK(text->starts_with(
        R"({"log":"one\n","stream":"stdout","time":"2026-01-02T03:04:05.000000000Z"})"));
}

TEST_CASE("a long line is split at 16 KiB and not inside a character") {
    const TempDir dir;
    for (int shift = 0; shift < 4; ++shift) {
        const std::string path = dir / std::to_string(shift);
        LogFile log = open_log(path);
        std::string line(static_cast<std::size_t>(16384 - shift), 'a');
        line += "𝄞";
        line += std::string(20000, 'b') + "\n";
        // In pieces, as a pipe gives them.
        for (std::size_t at = 0; at < line.size(); at += 1000)
            log.append(Stream::Stdout, std::string_view(line).substr(at, 1000), kNow);
        const std::vector<Entry> got = entries(path);
        REQUIRE(got.size() == 3);
        std::string whole;
        for (const Entry& entry : got) {
            CHECK(entry.log.size() <= 16384);
            CHECK(entry.log.find("\xef\xbf\xbd") == std::string::npos);
            whole += entry.log;
        }
        CHECK(whole == line);
    }
}

TEST_CASE("a log is rotated by size and keeps so many files") {
    const TempDir dir;
    const std::string path = dir / "log.json";
    LogFile log = open_log(path, 1000, 3);
    std::string burst;
    for (int i = 0; i < 100; ++i) burst += "line " + std::to_string(i) + "\n";
    log.append(Stream::Stdout, burst, kNow);  // in one piece: larger than all files together
    for (int i = 100; i < 130; ++i)
        log.append(Stream::Stdout, "line " + std::to_string(i) + "\n", kNow);
    std::vector<Entry> all;
    for (const char* suffix : {".2", ".1", ""}) {
        struct stat info {};
        REQUIRE(::stat((path + suffix).c_str(), &info) == 0);
        CHECK(info.st_size <= 1000);
        for (Entry& entry : entries(path + suffix)) all.push_back(std::move(entry));
    }
    CHECK_FALSE(exists(path + ".3"));
    // What is kept is the end, without a gap.
    REQUIRE(all.size() >= 20);
    for (std::size_t i = 0; i < all.size(); ++i)
        CHECK(all[i].log == "line " + std::to_string(130 - all.size() + i) + "\n");
}

TEST_CASE("a log of one file begins anew when it is full") {
    const TempDir dir;
    const std::string path = dir / "log.json";
    LogFile log = open_log(path, 300, 1);
    for (int i = 0; i < 50; ++i) log.append(Stream::Stdout, "xyz\n", kNow);
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK(info.st_size <= 300);
    CHECK(list_directory(dir.path())->size() == 1);
}

TEST_CASE("compressed files move on with the others, and what is not done yet stays as it is") {
    const TempDir dir;
    const std::string path = dir / "log.json";
    int rotations = 0;
    LogFile::Options options{path, 300, 4};
    options.rotation.after = [&](const std::string& newest) {
        // Every second one is left, as if its compressor had been ended.
        if (++rotations % 2 == 0) CHECK(compress_log(newest).ok());
    };
    auto log = LogFile::open(std::move(options));
    REQUIRE(log.ok());
    for (int i = 0; i < 60; ++i) log->append(Stream::Stdout, "xyz\n", kNow);
    int plain = 0;
    int compressed = 0;
    for (int number = 1; number < 4; ++number) {
        const std::string name = path + "." + std::to_string(number);
        CHECK(exists(name) != exists(name + ".gz"));
        plain += exists(name) ? 1 : 0;
        compressed += exists(name + ".gz") ? 1 : 0;
    }
    CHECK(plain + compressed == 3);
    CHECK(plain >= 1);
    CHECK(compressed >= 1);
    CHECK_FALSE(exists(path + ".4"));
    CHECK_FALSE(exists(path + ".4.gz"));
    CHECK(list_directory(dir.path())->size() == 4);
}

TEST_CASE("a record larger than a file gets one of its own") {
    const TempDir dir;
    const std::string path = dir / "log.json";
    LogFile log = open_log(path, 100, 2);
    const std::string big(500, 'x');
    log.append(Stream::Stdout, "a\n" + big + "\nb\n", kNow);
    CHECK(entries(path + ".1") == std::vector<Entry>{{big + "\n", "stdout"}});
    CHECK(entries(path) == std::vector<Entry>{{"b\n", "stdout"}});
}

TEST_CASE("a log that is there is continued with its size counted") {
    const TempDir dir;
    const std::string path = dir / "log.json";
    {
        LogFile log = open_log(path, 200, 2);
        log.append(Stream::Stdout, "before\n", kNow);
    }
    LogFile log = open_log(path, 200, 2);
    log.append(Stream::Stdout, "after\n", kNow);
    CHECK(entries(path).size() == 2);
    log.append(Stream::Stdout, "third\n", kNow);
    CHECK(entries(path + ".1").size() == 2);
    CHECK(entries(path) == std::vector<Entry>{{"third\n", "stdout"}});
}

TEST_CASE("a log that ends inside a record is continued on a new line") {
    const TempDir dir;
    const std::string path = dir / "log.json";
    REQUIRE(write_in_place(path, R"({"log":"cut o)", 0600).ok());
    LogFile log = open_log(path);
    log.append(Stream::Stdout, "whole\n", kNow);
    const auto text = read_file(path);
    const auto lines = split(*text, '\n');
    REQUIRE(lines.size() == 3);
    CHECK(parse_json(lines[1], "line")->at("log") == "whole\n");
}

TEST_CASE("what cannot be written is counted and said when writing works again") {
    const TempDir dir;
    const std::string folder = dir / "logs";
    const std::string path = folder + "/log.json";
    LogFile log = open_log(path, 200, 2);
    log.append(Stream::Stdout, "one\ntwo\n", kNow);
    REQUIRE(remove_tree(folder).ok());
    log.append(Stream::Stdout, "lost\nlost too\n", kNow);
    log.append(Stream::Stdout, "and this\n", kNow);
    CHECK_FALSE(exists(path));
    REQUIRE(make_directories(folder, 0700).ok());
    log.append(Stream::Stdout, "back\n", kNow);
    const std::vector<Entry> got = entries(path);
    REQUIRE(got.size() == 2);
    CHECK(got[0] == Entry{"davit: 3 lines could not be written and are lost\n", "stderr"});
    CHECK(got[1] == Entry{"back\n", "stdout"});
}

TEST_CASE("failed writes do not push older files out") {
    const TempDir dir;
    const std::string path = dir / "log.json";
    LogFile log = open_log(path, 150, 4);
    for (int i = 0; i < 8; ++i)
        log.append(Stream::Stdout, "entry " + std::to_string(i) + "\n", kNow);
    const auto before = entries(path + ".3");
    // No descriptor is free: rotation succeeds, opening the new file does not.
    rlimit old{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &old) == 0);
    const rlimit none{0, old.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    for (int i = 0; i < 50; ++i) log.append(Stream::Stdout, "lost\n", kNow);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &old) == 0);
    log.append(Stream::Stdout, "back\n", kNow);
    const auto now_oldest = entries(path + ".3");
    CHECK(now_oldest.size() == 1);
    CHECK(now_oldest != before);  // one rotation, which did take place
    CHECK(now_oldest[0].log == "entry 5\n");
}

TEST_CASE("a full disk leaves no half record behind") {
    const TempDir dir;
    const std::string path = dir / "log.json";
    LogFile log = open_log(path);
    log.append(Stream::Stdout, "first\n", kNow);
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    // A limit on the file's size cuts a write(2) short, as a full disk does.
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit old{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
    const rlimit tight{static_cast<rlim_t>(info.st_size) + 20, old.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
    log.append(Stream::Stdout, "second\n", kNow);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
    log.append(Stream::Stdout, "third\n", kNow);
    const std::vector<Entry> got = entries(path);
    REQUIRE(got.size() == 3);
    CHECK(got[0].log == "first\n");
    CHECK(got[1].log == "davit: 1 lines could not be written and are lost\n");
    CHECK(got[2].log == "third\n");
}

TEST_CASE("a log that is a symbolic link is not followed") {
    const TempDir dir;
    REQUIRE(::symlink("/etc/hostname", (dir / "log.json").c_str()) == 0);
    CHECK_FALSE(LogFile::open({dir / "log.json", -1, 1}).ok());
}
