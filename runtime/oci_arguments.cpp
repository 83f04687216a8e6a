#include "runtime/oci_arguments.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::runtime {
namespace {

const OciFlag* find_flag(const std::vector<OciFlag>& flags, std::string_view word) {
    const auto found = std::find_if(flags.begin(), flags.end(), [&](const OciFlag& flag) {
        // Go programs take long flags with one dash as well.
        return word == fmt::format("--{}", flag.name) || word == fmt::format("-{}", flag.name) ||
               (flag.letter != '\0' && word == fmt::format("-{}", flag.letter));
    });
    return found == flags.end() ? nullptr : &*found;
}

}  // namespace

Result<OciArguments> OciArguments::parse(const std::vector<std::string>& words,
                                         const std::vector<OciFlag>& flags, bool stop_at_word) {
    OciArguments parsed;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& word = words[i];
        const bool is_flag = word.size() > 1 && word[0] == '-' && word != "--";
        if (word == "--" || (!is_flag && stop_at_word)) {
            const auto rest = static_cast<std::ptrdiff_t>(word == "--" ? i + 1 : i);
            parsed.words_.insert(parsed.words_.end(), words.begin() + rest, words.end());
            return parsed;
        }
        if (!is_flag) {
            parsed.words_.push_back(word);
            continue;
        }
        const std::size_t equals = word.find('=');
        const OciFlag* flag = find_flag(flags, std::string_view(word).substr(0, equals));
        if (flag == nullptr)
            return Error(ErrorKind::InvalidInput, fmt::format("unknown flag '{}'", word));
        std::vector<std::string>& values = parsed.values_[std::string(flag->name)];
        if (equals != std::string::npos) {
            const std::string value = word.substr(equals + 1);
            if (!flag->takes_value && value == "false")
                parsed.values_.erase(std::string(flag->name));
            else
                values.push_back(value);
        } else if (!flag->takes_value) {
            values.emplace_back("true");
        } else if (i + 1 < words.size()) {
            values.push_back(words[++i]);
        } else {
            return Error(ErrorKind::InvalidInput, fmt::format("flag '{}' needs a value", word));
        }
    }
    return parsed;
}

std::string OciArguments::value(const std::string& name, const std::string& otherwise) const {
    const auto found = values_.find(name);
    return found == values_.end() || found->second.empty() ? otherwise : found->second.back();
}

std::vector<std::string> OciArguments::all(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? std::vector<std::string>() : found->second;
}

}  // namespace davit::runtime
