#pragma once

#include "base/diagnostic.h"
#include "base/source.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace davit::builder {

/// One instruction as it is typed, its continuation lines joined and its comments taken out. Still
/// knows where in the file each of its bytes stands.
struct Line {
    std::string text = {};

    /// The place of `length` bytes from `offset` on; the end of the line where `offset` is beyond.
    SourcePos at(std::size_t offset, std::size_t length = 1) const;

    /// A run of bytes that stand together in the file.
    struct Piece {
        std::size_t offset = 0;  ///< In `text`.
        std::uint32_t line = 0;
        std::uint32_t column = 0;
    };
    std::vector<Piece> pieces = {};
    std::shared_ptr<const SourceFile> file = {};
};

/// Reads a Dockerfile line by line. The parser directives at its top are carried out on the way.
/// @source Dockerfile reference, "Format" and "Parser directives"; BuildKit frontend/dockerfile
class LineReader {
public:
    LineReader(std::shared_ptr<const SourceFile> file, Diagnostics& diagnostics);

    /// The next instruction; nothing at the end of the file.
    std::optional<Line> next();

    /// The lines up to one that is `name` alone; nothing where the file ends before. `strip_tabs`:
    /// leading tabs are taken from each line, as `<<-` has it.
    std::optional<std::string> read_heredoc(std::string_view name, bool strip_tabs);

    /// `\`, or a backtick where the directive `escape` says so.
    char escape() const { return escape_; }

private:
    struct Physical {
        std::string_view text = {};  ///< Without its line break.
        std::uint32_t number = 0;
    };
    std::optional<Physical> take();
    void read_directives();
    void apply_directive(std::string_view name, std::string_view value, const SourcePos& where);
    bool append(Line& line, Physical part) const;

    std::shared_ptr<const SourceFile> file_;
    Diagnostics& diagnostics_;
    std::string_view rest_;
    std::uint32_t number_ = 0;  ///< Of the line taken last.
    char escape_ = '\\';
    std::vector<std::string> directives_;
};

}  // namespace davit::builder
