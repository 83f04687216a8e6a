#include "base/strings.h"
#include "fuzz/one_service.h"

// The short form of volumes: each line of the input is one.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace davit;  // NOLINT(google-build-using-namespace)
    std::string lines = "    volumes:\n";
    for (const std::string& volume : split(fuzz::as_text(data, size), '\n'))
        lines += "      - " + fuzz::quoted(volume) + "\n";
    const compose::Node web = fuzz::check_service(lines);
    const compose::Node* volumes = web.find("volumes");
    if (volumes == nullptr) return 0;
    for (const compose::Node& volume : volumes->items) {
        const compose::Node* type = volume.find("type");
        const compose::Node* source = volume.find("source");
        fuzz::require(volume.find("target") != nullptr, "every mount has a target");
        fuzz::require(type != nullptr && (type->text == "bind" || type->text == "volume"),
                      "a short form is a bind or a volume");
        if (type->text == "bind")
            fuzz::require(source != nullptr && !source->text.empty(), "a bind has a source");
    }
    return 0;
}
