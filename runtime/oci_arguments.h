#pragma once

#include "base/result.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace davit::runtime {

/// A flag of the OCI command line: "--bundle DIR", "--bundle=DIR", "-b DIR".
struct OciFlag {
    std::string_view name;
    char letter = '\0';
    bool takes_value = true;
};

/// What was given: the last value of each flag, all of repeated ones, and the rest.
class OciArguments {
public:
    /// Reads flags until the first word that is none (`stop_at_word`), or from everywhere. What
    /// comes after "--" is no flag. @errors InvalidInput for an unknown flag or a missing value
    static Result<OciArguments> parse(const std::vector<std::string>& words,
                                      const std::vector<OciFlag>& flags, bool stop_at_word);

    bool has(const std::string& name) const { return values_.contains(name); }
    std::string value(const std::string& name, const std::string& otherwise = {}) const;
    std::vector<std::string> all(const std::string& name) const;
    const std::vector<std::string>& words() const { return words_; }

private:
    std::map<std::string, std::vector<std::string>> values_;
    std::vector<std::string> words_;
};

}  // namespace davit::runtime
