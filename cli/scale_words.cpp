#include "cli/scale_words.h"

#include "base/strings.h"

#include <fmt/format.h>

namespace davit::cli {

Result<std::map<std::string, int>> parse_scale(const std::vector<std::string>& words) {
    constexpr int kMost = 10000;
    std::map<std::string, int> scale;
    for (const std::string& word : words) {
        const std::size_t equals = word.find('=');
        const auto count = equals == std::string::npos
                               ? std::nullopt
                               : parse_integer(std::string_view(word).substr(equals + 1));
        if (!count || equals == 0 || *count < 0 || *count > kMost)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' is not a service and its number of containers",
                                     printable(word)))
                .help(fmt::format("write it as web=3, with 0 to {}", kMost));
        scale[word.substr(0, equals)] = static_cast<int>(*count);
    }
    return scale;
}

}  // namespace davit::cli
