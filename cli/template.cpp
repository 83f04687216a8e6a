#include "cli/template.h"

#include "cli/template_eval.h"
#include "cli/template_parser.h"

namespace davit::cli {

struct Template::Parsed {
    std::string text = {};
    std::vector<TemplateNode> nodes = {};
};

Result<Template> Template::parse(const std::string& text) {
    auto parsed = std::make_shared<Parsed>();
    parsed->text = text;
    parsed->nodes = TRY(parse_template(text));
    return Template(std::move(parsed));
}

Result<std::string> Template::fill(const Json& value, const TemplateOptions& options) const {
    std::string out;
    TRY(run_template(parsed_->nodes, parsed_->text, value, options, out));
    return out;
}

std::string Template::fill_as_far_as_possible(const Json& value,
                                              const TemplateOptions& options) const {
    std::string out;
    (void)run_template(parsed_->nodes, parsed_->text, value, options, out);
    return out;
}

Result<std::string> fill_template(const std::string& text, const Json& value,
                                  const TemplateOptions& options) {
    const Template parsed = TRY(Template::parse(text));
    return parsed.fill(value, options);
}

}  // namespace davit::cli
