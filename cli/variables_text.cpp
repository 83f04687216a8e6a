#include "cli/variables_text.h"

#include "base/json.h"
#include "cli/table.h"

#include <vector>

namespace davit::cli {

std::string variables_text(const compose::VariableUses& uses, bool json) {
    std::vector<std::vector<std::string>> rows = {
        {"NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"}};
    Json all = Json::object();
    for (const auto& [name, use] : uses) {
        rows.push_back({name, use.required ? "true" : "false", use.default_value, use.alternate});
        all[name] = {{"Name", name},
                     {"DefaultValue", use.default_value},
                     {"PresenceValue", use.alternate},
                     {"Required", use.required}};
    }
    constexpr int kIndent = 4;
    if (json) return all.dump(kIndent, ' ', false, Json::error_handler_t::replace) + "\n";
    TableForm form;
    form.minimum = 20;  // as all tables of docker compose's own
    return render_table(rows, form);
}

}  // namespace davit::cli
