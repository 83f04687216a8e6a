#pragma once

#include "base/json.h"
#include "base/result.h"

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace davit::cli {

/// What a template may do with the values it is given.
struct TemplateOptions {
    /// Fields that are empty where the values don't have them, with what they are then; null:
    /// nothing. Docker's types have them, though its JSON leaves them out.
    std::map<std::string, Json> optional_fields = {};
    /// The method `.Label "name"` of the whole value; without it there is none.
    std::function<std::string(const std::string& name)> label = {};
    /// The values are the titles of a table's columns: what has none is "<no value>", and functions
    /// leave titles as they are.
    bool of_header = false;
};

/// A template of Go's text/template, with the functions that Docker adds:
///
///     {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}
///     {{range $port, $to := .NetworkSettings.Ports}}{{$port}} {{end}}
///     {{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}
///     {{.Name | upper}}   {{json .Mounts}}   {{join .Args ", "}}   {{printf "%5d" .State.Pid}}
///
/// define, template and block are refused, as are html, js, urlquery and call.
/// Values look as Go prints them: map[a:1 b:2], [x y], true, <no value>.
/// @source Go text/template; docker/cli templates
class Template {
public:
    /// @errors InvalidInput with the place
    static Result<Template> parse(const std::string& text);

    /// @errors InvalidInput where a field is not there, with the nearest one, or a function can't
    /// take what it is given
    Result<std::string> fill(const Json& value, const TemplateOptions& options = {}) const;

    /// What is written up to the first error, as Docker writes headers.
    std::string fill_as_far_as_possible(const Json& value, const TemplateOptions& options) const;

private:
    struct Parsed;
    explicit Template(std::shared_ptr<const Parsed> parsed) : parsed_(std::move(parsed)) {}
    std::shared_ptr<const Parsed> parsed_;
};

/// Parses and fills in at once.
Result<std::string> fill_template(const std::string& text, const Json& value,
                                  const TemplateOptions& options = {});

}  // namespace davit::cli
