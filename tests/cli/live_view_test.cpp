#include "cli/live_view.h"

#include "cli/terminal.h"

#include <doctest/doctest.h>

using namespace davit::cli;
using namespace std::chrono_literals;
using State = LiveRow::State;

namespace {

const std::chrono::steady_clock::time_point kBegin{};

std::vector<LiveRow> rows() {
    return {
        {"Network shop_default", "Created", "", State::Done, kBegin, kBegin + 100ms},
        {"Container shop-db-1", "Waiting", "health: starting (web needs it)", State::Working,
         kBegin, kBegin},
        {"Container shop-web-1", "Error", "", State::Failed, kBegin, kBegin + 2300ms},
    };
}

LiveFrame frame_of(std::size_t columns, std::size_t lines) {
    LiveFrame frame;
    frame.columns = columns;
    frame.rows = lines;
    frame.now = kBegin + 12400ms;
    return frame;
}

}  // namespace

TEST_CASE("each resource has a line with its word and its time") {
    const std::vector<std::string> lines = live_lines(rows(), frame_of(80, 24));
    REQUIRE(lines.size() == 4);
    CHECK(lines[0] == "[+] 2/3");
    CHECK(lines[1].starts_with(" ✔ Network shop_default  Created"));
    CHECK(lines[1].ends_with(" 0.1s"));
    CHECK(lines[2].find("Container shop-db-1   Waiting health: starting (web needs it)") !=
          std::string::npos);
    CHECK(lines[2].ends_with(" 12.4s"));
    CHECK(lines[3].starts_with(" ✘ Container shop-web-1  Error"));
    CHECK(lines[3].ends_with(" 2.3s"));
}

TEST_CASE("no line is wider than the terminal however narrow it is") {
    for (std::size_t columns = 10; columns <= 100; ++columns)
        for (const std::string& line : live_lines(rows(), frame_of(columns, 24))) {
            CAPTURE(columns);
            CAPTURE(line);
            CHECK(width_of(line) < columns);
        }
}

TEST_CASE("where there is not room for all those that are done give way") {
    std::vector<LiveRow> many;
    for (int i = 0; i < 40; ++i)
        many.push_back({"Container c" + std::to_string(i), "Started", "",
                        i < 35 ? State::Done : State::Working, kBegin, kBegin});
    const std::vector<std::string> lines = live_lines(many, frame_of(80, 12));
    CHECK(lines.size() == 11);
    CHECK(lines[0] == "[+] 35/40");
    CHECK(lines.back().find("Container c39") != std::string::npos);
    CHECK(live_lines(many, frame_of(80, 0)).size() == 41);
}

TEST_CASE("lines that were folded by a narrower terminal are counted") {
    CHECK(folded_lines({}, 80) == 0);
    CHECK(folded_lines({79, 10, 0}, 80) == 3);
    CHECK(folded_lines({79, 10, 0}, 40) == 4);
    CHECK(folded_lines({80}, 20) == 4);
}
