#include "cli/live_view.h"

#include "cli/terminal.h"

#include <algorithm>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace davit::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kBetweenPaints{100};

winsize terminal_size() {
    winsize size{};
    const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0;
    if (!known || size.ws_col < 10) size.ws_col = 80;
    if (!known || size.ws_row < 3) size.ws_row = 24;
    return size;
}

/// The first `columns` code points of `text`.
std::string cut(const std::string& text, std::size_t columns) {
    std::size_t seen = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool begins = (static_cast<unsigned char>(text[i]) & 0xc0U) != 0x80;
        if (begins && seen++ == columns) return text.substr(0, i);
    }
    return text;
}

/// `line` as wide as it looks.
std::string without_colours(const std::string& line) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '\x1b')
            i = line.find('m', i);
        else
            text += line[i];
    }
    return text;
}

const char* mark_of(const LiveRow& row, Clock::time_point now) {
    if (row.state == LiveRow::State::Done) return "✔";
    if (row.state == LiveRow::State::Failed) return "✘";
    static constexpr const char* kTurns[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧"};
    const auto tenths =
        std::chrono::duration_cast<std::chrono::milliseconds>(now - row.begun).count() / 100;
    return kTurns[static_cast<std::size_t>(std::max<long long>(tenths, 0)) % std::size(kTurns)];
}

const char* colour_of(LiveRow::State state) {
    switch (state) {
        case LiveRow::State::Working: return "33";
        case LiveRow::State::Done: return "32";
        case LiveRow::State::Failed: return "31";
    }
    return "0";
}

std::string line_of(const LiveRow& row, std::size_t subject_width, const LiveFrame& frame) {
    const auto end = row.state == LiveRow::State::Working ? frame.now : row.ended;
    const std::chrono::duration<double> took = end - row.begun;
    const std::string time = fmt::format("{:>6.1f}s", std::max(took.count(), 0.0));
    // What is cut first is what it waits for, then the name.
    const std::size_t room = frame.columns - 1;
    const std::size_t fixed = 4 + width_of(row.word) + 2 + time.size();
    if (fixed >= room)
        return cut(fmt::format(" {} {}", mark_of(row, frame.now), row.subject), room);
    const std::size_t name_room = room - fixed;
    std::string name = cut(row.subject, name_room);
    const std::size_t wide = std::min(subject_width, name_room);
    name.append(wide - std::min(wide, width_of(name)), ' ');
    const std::size_t used = fixed + width_of(name);
    std::string note;
    if (!row.note.empty() && used + 3 < room) note = " " + cut(row.note, room - used - 1);
    const std::size_t gap = room - std::min(room, used + width_of(note));
    const char* sgr = colour_of(row.state);
    return fmt::format(" {} {}  {}{}{}{}", coloured(mark_of(row, frame.now), sgr, frame.colour),
                       name, coloured(row.word, sgr, frame.colour), note,
                       std::string(std::min<std::size_t>(gap, 60) + 1, ' '), time);
}

}  // namespace

std::vector<std::string> live_lines(const std::vector<LiveRow>& rows, const LiveFrame& frame) {
    std::size_t done = 0;
    std::size_t widest = 0;
    for (const LiveRow& row : rows) {
        done += row.state == LiveRow::State::Working ? 0 : 1;
        widest = std::max(widest, width_of(row.subject));
    }
    std::vector<std::string> lines = {
        cut(fmt::format("[+] {}/{}", done, rows.size()), frame.columns - 1)};
    // Two lines stay free: the header, and the one that the cursor stands on.
    std::size_t too_many = 0;
    if (frame.rows > 0 && rows.size() + 2 > frame.rows)
        too_many = rows.size() + 2 - std::max<std::size_t>(frame.rows, 2);
    for (const LiveRow& row : rows) {
        if (too_many > 0 && row.state == LiveRow::State::Done) {
            --too_many;
            continue;
        }
        lines.push_back(line_of(row, widest, frame));
    }
    if (frame.rows > 1 && lines.size() >= frame.rows) lines.resize(frame.rows - 1);
    return lines;
}

std::size_t folded_lines(const std::vector<std::size_t>& widths, std::size_t columns) {
    std::size_t lines = 0;
    for (const std::size_t width : widths)
        lines += std::max<std::size_t>((width + columns - 1) / columns, 1);
    return lines;
}

LiveView::LiveView(bool colour)
    : colour_(colour), painter_([this](const std::stop_token& stop) { work(stop); }) {}

LiveView::~LiveView() { finish(); }

void LiveView::set(const std::string& subject, const std::string& word, LiveRow::State state,
                   const std::string& note) {
    const std::lock_guard lock(mutex_);
    const auto known = std::find_if(rows_.begin(), rows_.end(),
                                    [&](const LiveRow& row) { return row.subject == subject; });
    if (known == rows_.end()) {
        rows_.push_back({subject, word, note, state, Clock::now(), Clock::now()});
    } else {
        // What begins anew, as starting after creating, is timed on from its first beginning.
        known->word = word;
        known->note = note;
        known->state = state;
        known->ended = Clock::now();
    }
    changed_.notify_all();
}

void LiveView::finish() {
    painter_.request_stop();
    if (painter_.joinable()) painter_.join();
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    finished_ = true;
    paint(true);
}

void LiveView::work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
        if (!rows_.empty()) paint(false);
        // Sleeps a tenth of a second whatever changes, so that there are no more frames than that.
        changed_.wait_for(lock, stop, kBetweenPaints, [] { return false; });
    }
}

void LiveView::paint(bool last) {
    if (rows_.empty()) return;
    const winsize size = terminal_size();
    LiveFrame frame;
    frame.columns = size.ws_col;
    frame.rows = last ? 0 : size.ws_row;
    frame.colour = colour_;
    frame.now = Clock::now();
    const std::vector<std::string> lines = live_lines(rows_, frame);
    const std::size_t up =
        std::min<std::size_t>(folded_lines(painted_, size.ws_col), size.ws_row - 1U);
    std::string text = up > 0 ? fmt::format("\x1b[{}A\r", up) : "";
    painted_.clear();
    for (const std::string& line : lines) {
        text += line + "\x1b[K\n";
        painted_.push_back(width_of(without_colours(line)));
    }
    text += "\x1b[J";
    to_stderr(text);
}

}  // namespace davit::cli
