#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

/// A line for each thing that is worked on, painted over in place while it goes on.
namespace davit::cli {

/// One line of it.
struct LiveRow {
    enum class State { Working, Done, Failed };
    std::string subject = {};  ///< "Container shop-web-1", already harmless.
    std::string word = {};     ///< "Starting"
    std::string note = {};     ///< What it is waiting for; may be empty.
    State state = State::Working;
    std::chrono::steady_clock::time_point begun = {};
    std::chrono::steady_clock::time_point ended = {};  ///< Of those that are done.
};

struct LiveFrame {
    std::size_t columns = 80;
    std::size_t rows = 24;  ///< Of the terminal; 0: no limit.
    bool colour = false;
    std::chrono::steady_clock::time_point now = {};
};

/// The lines for a terminal of that size, none of them wider than it: first how many are done, then
/// one a row. Where there is not room for all, those that are done give way. Pure.
std::vector<std::string> live_lines(const std::vector<LiveRow>& rows, const LiveFrame& frame);

/// How many lines of a terminal of `columns` lines of these widths take: what was painted before
/// the terminal was made narrower has been folded. Pure.
std::size_t folded_lines(const std::vector<std::size_t>& widths, std::size_t columns);

/// Paints to standard error, a frame with one write, at most ten a second, also while nothing
/// happens: times go on. Safe from several threads.
class LiveView {
public:
    explicit LiveView(bool colour);
    ~LiveView();
    LiveView(const LiveView&) = delete;
    LiveView& operator=(const LiveView&) = delete;

    /// Adds the row of that subject, or changes it.
    void set(const std::string& subject, const std::string& word, LiveRow::State state,
             const std::string& note = {});

    /// Paints everything a last time, in full, and paints no more.
    void finish();

private:
    void work(const std::stop_token& stop);
    void paint(bool last);

    bool colour_;
    bool finished_ = false;
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::vector<LiveRow> rows_ = {};
    std::vector<std::size_t> painted_ = {};  ///< Widths of the lines that stand there.
    std::jthread painter_;                   // last: it ends before what it uses
};

}  // namespace davit::cli
