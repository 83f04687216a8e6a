#pragma once

#include "base/source.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace davit::compose {

/// Where a scalar really begins, which a YAML parser that reports the place of its anchor or tag
/// doesn't say, and how long it is.
struct ScalarPlace {
    SourcePos pos = {};
    bool quoted = false;  ///< "…", '…', | or >
    bool unterminated = false;
};

struct BadByte {
    SourcePos pos = {};
    std::string message = {};
};

/// The text of a YAML file by line and column, for what a parser's marks leave open.
class SourceScan {
public:
    explicit SourceScan(std::shared_ptr<const SourceFile> file);

    /// Line and column from 0, as parsers count; beyond the end is the end.
    SourcePos at(int line, int column, std::size_t length = 1) const;
    /// The word that begins there, up to a blank or a mark of punctuation.
    SourcePos word_at(int line, int column) const;
    /// The scalar whose anchor, tag or text begins there and whose value is `text`.
    ScalarPlace scalar_at(int line, int column, std::string_view text) const;

    /// The first tab in the indentation of a line from the top to `line`, which YAML forbids.
    std::optional<SourcePos> tab_before(int line) const;

    /// The first byte that is not UTF-8 or is a control character that YAML forbids.
    std::optional<BadByte> first_bad_byte() const;

private:
    std::size_t offset(int line, int column) const;
    SourcePos position(std::size_t offset, std::size_t length) const;
    std::size_t skip_properties(std::size_t offset) const;

    std::shared_ptr<const SourceFile> file_;
    std::vector<std::size_t> line_starts_;
};

}  // namespace davit::compose
