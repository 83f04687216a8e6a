#pragma once

#include "base/json.h"
#include "base/result.h"
#include "cli/template.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// `--format` of the commands that list things.
namespace davit::cli {

/// One thing that is listed.
struct ListedRow {
    Json fields = {};
    std::map<std::string, std::string> labels = {};  ///< What `.Label "name"` knows.
};

/// What a command lists.
struct RowKind {
    /// The fields that a table may have, each with its title.
    std::vector<std::pair<const char*, const char*>> titles = {};
    /// The fields of the table that is shown where nothing else is asked for.
    std::vector<const char*> table = {};
    const char* example = "{{.Name}}";
};

/// `--format`, as parsed: "table", "json" (an object a line), a template, or "table TEMPLATE",
/// whose tabs make columns under titles. `\t` and `\n` stand for a tab and a line break.
/// @source docker/cli formatter/formatter.go
class RowFormat {
public:
    /// @errors InvalidInput for another word, or a template that is none
    static Result<RowFormat> parse(const std::string& format, RowKind kind);

    bool is_default_table() const { return !json_ && !template_; }

    /// All rows, with a line break after each. @errors InvalidInput
    Result<std::string> text(const std::vector<ListedRow>& rows) const;

    /// A template or json of one value that is no row; not for the default table.
    Result<std::string> text_of(const Json& value) const;

private:
    Result<std::string> filled(const ListedRow& row) const;
    std::string header() const;
    std::string default_table(const std::vector<ListedRow>& rows) const;

    RowKind kind_ = {};
    bool json_ = false;
    bool in_columns_ = false;  ///< "table TEMPLATE"
    std::optional<Template> template_ = {};
};

/// Rows without labels.
std::vector<ListedRow> as_rows(std::vector<Json> fields);

/// Lines with tabs in columns, each as wide as its widest cell and three blanks, at least ten; a
/// column ends where a line has no such cell. @source Go text/tabwriter
std::string align_tabs(std::string_view text);

}  // namespace davit::cli
