#include "cli/app.h"
#include "image/output_file.h"

#include <unistd.h>

int main(int argc, char** argv) {
    davit::image::take_umask();
    std::map<std::string, std::string> environment;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string text = *entry;
        const std::size_t equals = text.find('=');
        if (equals != std::string::npos)
            environment[text.substr(0, equals)] = text.substr(equals + 1);
    }
    return davit::cli::run_app({argv + (argc > 0 ? 1 : 0), argv + argc}, environment);
}
