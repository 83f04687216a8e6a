#include "cli/pull_view.h"

#include "base/bytes.h"
#include "cli/terminal.h"

#include <algorithm>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace davit::cli {
namespace {

using Kind = image::PullEvent::Kind;
constexpr std::chrono::milliseconds kBetweenPaints{80};

const char* word_of(Kind kind) {
    switch (kind) {
        case Kind::Resolved: return "Pulling";
        case Kind::Exists: return "Already exists";
        case Kind::Waiting: return "Waiting";
        case Kind::Downloading: return "Downloading";
        case Kind::Retrying: return "Retrying";
        case Kind::Unpacking: return "Extracting";
        case Kind::Done: return "Pull complete";
    }
    return "";
}

winsize terminal_size() {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == -1 || size.ws_row < 3) size.ws_row = 24;
    if (size.ws_col < 20) size.ws_col = 80;
    return size;
}

}  // namespace

std::string transfer_text(std::int64_t done, std::int64_t total, double seconds,
                          std::int64_t since_begin) {
    constexpr std::size_t kWidth = 24;
    const auto share = total > 0 ? static_cast<std::size_t>(static_cast<double>(done) /
                                                            static_cast<double>(total) * kWidth)
                                 : 0;
    std::string bar(std::min(share, kWidth), '=');
    if (bar.size() < kWidth) bar += '>';
    bar.resize(kWidth, ' ');
    std::string text = fmt::format("[{}] {}/{}", bar, format_bytes(done), format_bytes(total));
    if (seconds > 0.3 && since_begin > 0)
        text += fmt::format(
            "  {}/s",
            format_bytes(static_cast<std::int64_t>(static_cast<double>(since_begin) / seconds)));
    return text;
}

void PullView::line(const std::string& subject, const char* word, const char* sgr) const {
    to_stderr(fmt::format(" {} {}\n", harmless(subject), coloured(word, sgr, colour_)));
}

PullView::Row& PullView::row(const std::string& image) {
    for (Row& known : rows_)
        if (known.image == image) return known;
    rows_.push_back({image, "Pulling", {}, {}});
    return rows_.back();
}

void PullView::begin(const std::string& image) {
    const std::lock_guard lock(mutex_);
    row(image);
    if (style_ == Style::Plain) line(image, "Pulling", "33");
    if (style_ == Style::Terminal) paint(true);
}

void PullView::event(const std::string& image, const image::PullEvent& event) {
    const std::lock_guard lock(mutex_);
    if (style_ == Style::Quiet || event.layer.empty()) return;
    Row& own = row(image);
    const auto [found, is_new] = own.layers.emplace(event.layer, Layer{});
    if (is_new) own.order.push_back(event.layer);
    Layer& layer = found->second;
    const bool changed = is_new || layer.last.kind != event.kind;
    if (event.kind == Kind::Downloading && changed) {
        layer.begun = std::chrono::steady_clock::now();
        layer.begun_at = event.done;
    }
    layer.last = event;
    if (style_ == Style::Terminal) return paint(changed);
    // A line for what is new to a reader, not for every step on the way.
    const bool worth =
        event.kind == Kind::Exists || event.kind == Kind::Done || event.kind == Kind::Retrying;
    if (changed && worth)
        line(event.layer, word_of(event.kind), event.kind == Kind::Retrying ? "33" : "32");
}

void PullView::end(const std::string& image, bool ok) {
    const std::lock_guard lock(mutex_);
    row(image).word = ok ? "Pulled" : "Error";
    if (style_ == Style::Plain) line(image, ok ? "Pulled" : "Error", ok ? "32" : "31");
    if (style_ == Style::Terminal) paint(true);
}

/// Paints over what stood there. More lines than the terminal has can't be painted over: then
/// layers that are done are left out, and the last ones.
void PullView::paint(bool at_once) {
    const auto now = std::chrono::steady_clock::now();
    if (!at_once && now - last_paint_ < kBetweenPaints) return;
    last_paint_ = now;
    const winsize size = terminal_size();
    std::vector<std::string> lines;
    for (const Row& own : rows_) {
        const char* sgr = own.word == "Error" ? "31" : own.word == "Pulled" ? "32" : "33";
        lines.push_back(fmt::format(" {} {}", harmless(own.image).substr(0, size.ws_col - 12U),
                                    coloured(own.word, sgr, colour_)));
        if (own.word != "Pulling") continue;
        for (const std::string& name : own.order) {
            const Layer& layer = own.layers.at(name);
            const bool over = layer.last.kind == Kind::Done || layer.last.kind == Kind::Exists;
            if (over && own.order.size() + rows_.size() + 2 > size.ws_row) continue;
            std::string text = fmt::format("   {} {}", harmless(name), word_of(layer.last.kind));
            if (layer.last.kind == Kind::Downloading) {
                const std::chrono::duration<double> took = now - layer.begun;
                text += " " + transfer_text(layer.last.done, layer.last.total, took.count(),
                                            layer.last.done - layer.begun_at);
            }
            lines.push_back(text.substr(0, size.ws_col - 1U));
        }
    }
    if (lines.size() >= size.ws_row) lines.resize(size.ws_row - 1U);
    std::string text = painted_ > 0 ? fmt::format("\x1b[{}A", painted_) : "";
    for (const std::string& one : lines) text += one + "\x1b[K\n";
    text += "\x1b[J";
    painted_ = lines.size();
    to_stderr(text);
}

}  // namespace davit::cli
