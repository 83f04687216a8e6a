#pragma once

#include "base/json.h"
#include "base/result.h"

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace davit::cli {

/// What a template works on; null where there is nothing, as with Go's nil. Points into the data
/// or into a TemplateStore.
using TemplateValue = const Json*;

/// Holds the values that functions make, up to 64 MiB of them.
class TemplateStore {
public:
    TemplateValue keep(Json value);
    /// Whether there is more than may be.
    bool full() const { return bytes_ > kMost; }

private:
    static constexpr std::size_t kMost = 64U << 20U;
    std::deque<Json> values_ = {};
    std::size_t bytes_ = 0;
};

/// A function with what it is called with.
struct TemplateCall {
    std::string name = {};
    std::vector<TemplateValue> arguments = {};
    std::vector<std::string> texts = {};  ///< The arguments as they are written.
    TemplateStore* store = nullptr;
    /// The row is the header of a table, of which functions let the words alone.
    bool of_header = false;
};

bool is_template_function(std::string_view name);
const std::vector<std::string>& template_function_names();

/// What a function makes of its arguments. `and` and `or` have none here: they don't look at all.
/// @errors InvalidInput @source Go text/template, "Functions"; docker/cli templates
Result<TemplateValue> call_template_function(const TemplateCall& call);

/// Whether an {{if}} takes it for true: not false, 0, "", empty or nothing.
bool is_true(TemplateValue value);

}  // namespace davit::cli
