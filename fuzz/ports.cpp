#include "base/strings.h"
#include "fuzz/one_service.h"

// The short form of ports: each line of the input is one.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace davit;  // NOLINT(google-build-using-namespace)
    std::string lines = "    ports:\n";
    for (const std::string& port : split(fuzz::as_text(data, size), '\n'))
        lines += "      - " + fuzz::quoted(port) + "\n";
    const compose::Node web = fuzz::check_service(lines);
    const compose::Node* ports = web.find("ports");
    if (ports == nullptr) return 0;
    for (const compose::Node& port : ports->items) {
        const compose::Node* target = port.find("target");
        fuzz::require(target != nullptr, "every port has a target");
        const auto number = parse_integer(target->text);
        fuzz::require(number && *number >= 1 && *number <= 65535, "targets are 1 to 65535",
                      target->text);
    }
    return 0;
}
