#include "compose/dotenv.h"

#include "compose/yaml_reader.h"
#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace davit;  // NOLINT(google-build-using-namespace)
    const auto file = compose::make_source(".env", std::string(fuzz::as_text(data, size)));
    const compose::Variables outer = {{"HOME", "/home/tester"}, {"EMPTY", ""}};
    compose::Variables variables;
    Diagnostics diagnostics;
    compose::parse_dotenv(file, compose::lookup_in(outer), variables, diagnostics);
    for (const Diagnostic& diagnostic : diagnostics.list()) {
        fuzz::require(diagnostic.where.line > 0 && diagnostic.where.column > 0,
                      "a remark has a place");
        fuzz::require(!render(diagnostic).empty(), "every remark can be printed");
    }
    for (const auto& [name, value] : variables)
        fuzz::require(!name.empty() && name.find('=') == std::string::npos,
                      "a name can stand in an environment", name);
    return 0;
}
