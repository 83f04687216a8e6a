#pragma once

#include "image/pull.h"

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace davit::cli {

/// Shows on standard error how images come: on a terminal a line a layer that is painted anew, else
/// a line a change. Safe from several threads.
class PullView {
public:
    enum class Style { Quiet, Plain, Terminal };
    PullView(Style style, bool colour) : style_(style), colour_(colour) {}

    void begin(const std::string& image);
    void event(const std::string& image, const image::PullEvent& event);
    void end(const std::string& image, bool ok);

private:
    struct Layer {
        image::PullEvent last = {};
        std::chrono::steady_clock::time_point begun = {};
        std::int64_t begun_at = 0;
    };
    struct Row {
        std::string image = {};
        std::string word = {};
        std::vector<std::string> order = {};
        std::map<std::string, Layer> layers = {};
    };
    Row& row(const std::string& image);
    void line(const std::string& subject, const char* word, const char* sgr) const;
    void paint(bool at_once);

    Style style_;
    bool colour_;
    std::mutex mutex_;
    std::vector<Row> rows_;
    std::size_t painted_ = 0;  ///< Lines that stand on the terminal.
    std::chrono::steady_clock::time_point last_paint_ = {};
};

/// "[=====>     ]  12.3MB/67MB  4.5MB/s", for one layer on its way. Pure.
std::string transfer_text(std::int64_t done, std::int64_t total, double seconds,
                          std::int64_t since_begin);

}  // namespace davit::cli
