#include "builder/run_mount.h"

#include "base/bytes.h"
#include "base/strings.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <vector>

namespace davit::builder {
namespace {

const std::vector<std::string> kTypes = {"bind", "cache", "tmpfs", "secret", "ssh"};
const std::vector<std::string> kKeys = {"type", "target",    "dst",      "destination", "source",
                                        "src",  "from",      "id",       "sharing",     "mode",
                                        "uid",  "gid",       "size",     "ro",          "readonly",
                                        "rw",   "readwrite", "required", "env"};

Error bad(std::string message, std::string help) {
    return Error(ErrorKind::InvalidInput, std::move(message)).help(std::move(help));
}

std::string near(std::string_view word, const std::vector<std::string>& known) {
    const auto meant = nearest(word, known);
    if (meant) return fmt::format("the nearest is '{}'", *meant);
    return fmt::format("known are {}", fmt::join(known, ", "));
}

/// The fields between commas; one in double quotes may hold commas itself.
std::vector<std::string> fields_of(std::string_view text) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (const char c : text) {
        if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            fields.emplace_back();
        } else {
            fields.back() += c;
        }
    }
    return fields;
}

bool is_open(std::string_view value, const ExpandOptions* options) {
    return options == nullptr && value.find('$') != std::string_view::npos;
}

Result<std::uint32_t> number(const std::string& key, std::string_view value, int base,
                             const ExpandOptions* options) {
    if (is_open(value, options)) return std::uint32_t{0};
    std::uint32_t parsed = 0;
    const char* end = value.data() + value.size();
    const auto [stop, code] = std::from_chars(value.data(), end, parsed, base);
    if (code == std::errc() && stop == end && !value.empty()) return parsed;
    return bad(fmt::format("'{}' of a mount is '{}', which is no {}number", key, printable(value),
                           base == 8 ? "octal " : ""),
               base == 8 ? "write it like 0755" : "write an id like 1000");
}

Result<bool> truth(const std::string& key, const std::optional<std::string>& value,
                   const ExpandOptions* options) {
    if (!value || *value == "true" || *value == "1") return true;
    if (*value == "false" || *value == "0" || is_open(*value, options)) return false;
    return bad(fmt::format("'{}' of a mount is '{}'", key, printable(*value)),
               "write true or false, or leave the value away");
}

class Reader {
public:
    Reader(std::string_view text, const ExpandOptions* options) : text_(text), options_(options) {}

    Result<RunMount> read() {
        bool writable = false;
        bool has_access = false;
        for (const std::string& field : fields_of(text_)) {
            const std::size_t equals = field.find('=');
            std::string key = field.substr(0, equals);
            std::optional<std::string> value;
            if (equals != std::string::npos) value = field.substr(equals + 1);
            if (value && options_ != nullptr) value = TRY(expand_word(*value, *options_));
            if (key == "ro" || key == "readonly" || key == "rw" || key == "readwrite") {
                const bool on = TRY(truth(key, value, options_));
                writable = (key == "rw" || key == "readwrite") == on;
                has_access = true;
                continue;
            }
            TRY(set(key, value));
        }
        mount_.read_only = has_access ? !writable : mount_.type == RunMountType::Bind;
        TRY(check());
        return std::move(mount_);
    }

private:
    Result<void> set(const std::string& key, const std::optional<std::string>& value) {
        if (key == "required") {
            mount_.required = TRY(truth(key, value, options_));
            return {};
        }
        if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end())
            return bad(fmt::format("unknown option '{}' of a mount", printable(key)),
                       near(key, kKeys));
        if (!value)
            return bad(fmt::format("the option '{}' of a mount has no value", key),
                       fmt::format("write {}=…", key));
        if (key == "type") return set_type(*value);
        if (key == "mode") {
            mount_.mode = TRY(number(key, *value, 8, options_));
        } else if (key == "uid") {
            mount_.uid = TRY(number(key, *value, 10, options_));
        } else if (key == "gid") {
            mount_.gid = TRY(number(key, *value, 10, options_));
        } else if (key == "size") {
            if (!is_open(*value, options_)) mount_.size_bytes = TRY(parse_bytes(*value));
        } else if (key == "sharing") {
            return set_sharing(*value);
        } else {
            set_text(key, *value);
        }
        return {};
    }

    void set_text(const std::string& key, const std::string& value) {
        if (key == "from") mount_.from = value;
        if (key == "id") mount_.id = value;
        if (key == "env") mount_.env = value;
        if (key == "source" || key == "src") mount_.source = value;
        if (key == "target" || key == "dst" || key == "destination") mount_.target = value;
    }

    Result<void> set_type(const std::string& value) {
        for (std::size_t at = 0; at < kTypes.size(); ++at) {
            if (kTypes[at] != value) continue;
            mount_.type = static_cast<RunMountType>(at);
            return {};
        }
        return bad(fmt::format("unknown type '{}' of a mount", printable(value)),
                   near(value, kTypes));
    }

    Result<void> set_sharing(const std::string& value) {
        if (value != "shared" && value != "private" && value != "locked" &&
            !is_open(value, options_))
            return bad(fmt::format("'{}' is no way of sharing a cache", printable(value)),
                       "write sharing=shared, private or locked");
        mount_.sharing = value;
        return {};
    }

    Result<void> check() const {
        const bool needs_target = mount_.type == RunMountType::Bind ||
                                  mount_.type == RunMountType::Cache ||
                                  mount_.type == RunMountType::Tmpfs;
        if (needs_target && mount_.target.empty())
            return bad("a mount has no target", "add target=/PATH");
        if (mount_.from.find('$') != std::string::npos && options_ == nullptr)
            return bad("'from' of a mount can't hold a variable",
                       "make a stage with FROM and the variable, and name that stage");
        if (mount_.type == RunMountType::Secret && mount_.id.empty() && mount_.target.empty())
            return bad("a secret has neither an id nor a target", "add id=NAME");
        return {};
    }

    std::string_view text_;
    const ExpandOptions* options_;
    RunMount mount_;
};

}  // namespace

Result<RunMount> parse_run_mount(std::string_view text, const ExpandOptions* options) {
    return Reader(text, options).read();
}

std::string default_target(const RunMount& mount, int number) {
    if (mount.type == RunMountType::Secret) return "/run/secrets/" + mount.id;
    if (mount.type == RunMountType::Ssh) return fmt::format("/run/buildkit/ssh_agent.{}", number);
    return {};
}

}  // namespace davit::builder
