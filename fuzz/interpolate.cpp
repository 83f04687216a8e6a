#include "compose/interpolate.h"

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace davit;  // NOLINT(google-build-using-namespace)
    const std::string_view text = fuzz::as_text(data, size);
    const compose::Variables variables = {
        {"A", "value"}, {"EMPTY", ""}, {"DOLLAR", "$A ${A}"}, {"_b1", "}"}};
    std::vector<compose::InterpolationRemark> remarks;
    (void)compose::interpolate(text, compose::lookup_in(variables), remarks);
    for (const compose::InterpolationRemark& remark : remarks) {
        fuzz::require(remark.offset < text.size() && text[remark.offset] == '$',
                      "a remark stands at a '$'");
        fuzz::require(remark.length > 0 && remark.length <= text.size() - remark.offset,
                      "a remark ends inside the text");
        fuzz::require(!remark.message.empty(), "a remark says something");
    }

    std::string doubled;
    for (const char c : text) doubled.append(c == '$' ? 2 : 1, c);
    remarks.clear();
    fuzz::require(compose::interpolate(doubled, compose::lookup_in(variables), remarks) == text &&
                      remarks.empty(),
                  "with its '$' doubled, any text stays as it is", doubled);
    return 0;
}
