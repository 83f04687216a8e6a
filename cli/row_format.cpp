#include "cli/row_format.h"

#include "base/strings.h"
#include "cli/table.h"
#include "cli/terminal.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::cli {
namespace {

constexpr std::string_view kTable = "table";

std::string json_line(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// `\t` and `\n`, which shells don't replace in single quotes.
std::string with_breaks(std::string_view text) {
    std::string replaced;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool escape = text[i] == '\\' && i + 1 < text.size();
        if (escape && (text[i + 1] == 't' || text[i + 1] == 'n'))
            replaced += text[++i] == 't' ? '\t' : '\n';
        else
            replaced += text[i];
    }
    return replaced;
}

/// The title of a label's column: "com.docker.compose.config-hash" has "config hash".
std::string label_title(const std::string& name) {
    std::string title = name.substr(name.rfind('.') + 1);  // npos + 1 is 0
    for (char& c : title)
        if (c == '-' || c == '_') c = ' ';
    return title;
}

using TabLines = std::vector<std::vector<std::string>>;

/// Sets the cells of one column to one width, from line `begin` to before line `end`.
void widen(TabLines& lines, std::size_t begin, std::size_t end, std::size_t column) {
    const TableForm form;
    std::size_t width = form.minimum;
    for (std::size_t i = begin; i < end; ++i)
        width = std::max(width, width_of(lines[i][column]) + form.padding);
    for (std::size_t i = begin; i < end; ++i) {
        std::string& cell = lines[i][column];
        cell += std::string(width - width_of(cell), ' ');
    }
}

}  // namespace

std::string align_tabs(std::string_view text) {
    TabLines lines;
    std::size_t columns = 0;
    for (const std::string& line : split(text, '\n')) {
        lines.push_back(split(line, '\t'));
        columns = std::max(columns, lines.back().size() - 1);
    }
    for (std::size_t column = 0; column < columns; ++column) {
        const auto has_cell = [&](std::size_t i) { return lines[i].size() > column + 1; };
        for (std::size_t i = 0; i < lines.size();) {
            const std::size_t begin = i;
            while (i < lines.size() && has_cell(i)) ++i;
            widen(lines, begin, i, column);
            if (i == begin) ++i;
        }
    }
    std::string aligned;
    for (const auto& line : lines) {
        if (&line != &lines.front()) aligned += '\n';
        for (const std::string& cell : line) aligned += cell;
    }
    return aligned;
}

Result<RowFormat> RowFormat::parse(const std::string& format, RowKind kind) {
    RowFormat made;
    made.kind_ = std::move(kind);
    if (format == kTable) return made;
    if (format == "json") {
        made.json_ = true;
        return made;
    }
    if (format.find("{{") == std::string::npos)
        return Error(ErrorKind::InvalidInput, fmt::format("unknown format '{}'", printable(format)))
            .help(fmt::format("use table, json, a template such as '{0}' or 'table {0}'",
                              made.kind_.example));
    std::string_view text = format;
    made.in_columns_ = text.starts_with(kTable);
    if (made.in_columns_) text.remove_prefix(kTable.size());
    const std::size_t begin = std::min(text.find_first_not_of(' '), text.size());
    text = text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
    made.template_ = TRY(Template::parse(with_breaks(text)));
    return made;
}

Result<std::string> RowFormat::filled(const ListedRow& row) const {
    TemplateOptions options;
    options.label = [&](const std::string& name) {
        const auto label = row.labels.find(name);
        return label == row.labels.end() ? std::string() : label->second;
    };
    return template_->fill(row.fields, options);
}

std::string RowFormat::header() const {
    Json titles = Json::object();
    for (const auto& [field, title] : kind_.titles) titles[field] = title;
    TemplateOptions options;
    options.of_header = true;
    options.label = label_title;
    return template_->fill_as_far_as_possible(titles, options);
}

std::string RowFormat::default_table(const std::vector<ListedRow>& rows) const {
    std::vector<std::vector<std::string>> table(1);
    for (const char* field : kind_.table)
        for (const auto& [known, title] : kind_.titles)
            if (std::string_view(known) == field) table[0].emplace_back(title);
    for (const ListedRow& row : rows) {
        table.emplace_back();
        for (const char* field : kind_.table) table.back().push_back(string_or(row.fields, field));
    }
    return render_table(table);
}

Result<std::string> RowFormat::text(const std::vector<ListedRow>& rows) const {
    if (is_default_table()) return default_table(rows);
    std::string text = in_columns_ ? header() + "\n" : "";
    for (const ListedRow& row : rows) {
        text += json_ ? json_line(row.fields) : TRY(filled(row));
        text += '\n';
    }
    return in_columns_ ? align_tabs(harmless_lines(text)) : text;
}

Result<std::string> RowFormat::text_of(const Json& value) const {
    return (json_ ? json_line(value) : TRY(template_->fill(value))) + "\n";
}

std::vector<ListedRow> as_rows(std::vector<Json> fields) {
    std::vector<ListedRow> rows;
    for (Json& one : fields) rows.push_back({std::move(one), {}});
    return rows;
}

}  // namespace davit::cli
