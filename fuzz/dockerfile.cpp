#include "builder/dockerfile.h"

#include "builder/expand.h"
#include "fuzz/fuzz.h"

namespace {

void expand_all(const davit::builder::Instruction& instruction) {
    using namespace davit;  // NOLINT(google-build-using-namespace)
    builder::ExpandOptions options;
    options.escape = instruction.escape;
    options.lookup = [](const std::string& name) -> std::optional<std::string> {
        if (name.size() % 2 == 0) return std::nullopt;
        return "a*b c/" + name;
    };
    for (const builder::Word& word : instruction.words) {
        fuzz::require(static_cast<bool>(word.where), "a word has a place", word.text);
        const auto one = builder::expand_word(word.text, options);
        const auto many = builder::expand_words(word.text, options);
        fuzz::require(one.ok() == many.ok(), "both ways of expanding agree", word.text);
    }
    for (const builder::Pair& pair : instruction.pairs)
        fuzz::require(!pair.name.text.empty(), "a pair has a name");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace davit;  // NOLINT(google-build-using-namespace)
    const auto file = std::make_shared<const SourceFile>(
        SourceFile{"Dockerfile", std::string(fuzz::as_text(data, size))});
    Diagnostics diagnostics;
    const auto parsed = builder::parse_dockerfile(file, diagnostics);
    fuzz::require(parsed.has_value() == diagnostics.ok(), "no result without a remark");
    for (const Diagnostic& diagnostic : diagnostics.list()) {
        fuzz::require(static_cast<bool>(diagnostic.where), "a remark has a place",
                      diagnostic.message);
        fuzz::require(!render(diagnostic).empty(), "every remark can be printed");
    }
    if (!parsed) return 0;
    for (const builder::Stage& stage : parsed->stages)
        for (const builder::Instruction& step : stage.steps) expand_all(step);
    return 0;
}
