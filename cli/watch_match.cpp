#include "cli/watch_match.h"

#include "base/file.h"

#include <fmt/format.h>

namespace davit::cli {
namespace {

/// What nobody wants in a container: versions, and what editors leave while they write.
/// @source docker/compose pkg/watch/ephemeral.go
const std::vector<std::string> kNever = {
    "**/.git", "**/*~",    "**/.*.sw?",        "**/4913",         "**/.#*",
    "**/#*#",  "**/.idea", "**/*___jb_tmp___", "**/*___jb_old___"};

/// `path` relative to `folder`; nothing where it isn't in it.
std::optional<std::string> beneath(const std::string& path, const std::string& folder) {
    if (path == folder) return std::string();
    if (!path.starts_with(folder + "/")) return std::nullopt;
    return path.substr(folder.size() + 1);
}

}  // namespace

Result<WatchMatch> WatchMatch::create(compose::WatchRule rule) {
    WatchMatch match;
    std::vector<std::string> never = kNever;
    never.insert(never.end(), rule.ignore.begin(), rule.ignore.end());
    match.ignore_ = TRY(builder::IgnoreFile::of_patterns(never));
    match.include_ = TRY(builder::IgnoreFile::of_patterns(rule.include));
    if (!rule.context.empty()) {
        Diagnostics remarks;  // mistakes of .dockerignore are for those who build
        Result<std::string> text = read_file(rule.context + "/.dockerignore");
        if (text)
            match.context_ =
                builder::IgnoreFile::parse(std::make_shared<const SourceFile>(SourceFile{
                                               rule.context + "/.dockerignore", *std::move(text)}),
                                           remarks);
    }
    match.rule_ = std::move(rule);
    return match;
}

std::optional<std::string> WatchMatch::place_of(const std::string& path) const {
    const std::optional<std::string> relative = beneath(path, rule_.path);
    if (!relative) return std::nullopt;
    if (relative->empty()) return rule_.target;
    if (ignore_.excludes(*relative)) return std::nullopt;
    if (!rule_.include.empty() && !include_.excludes(*relative)) return std::nullopt;
    if (const auto in_context = beneath(path, rule_.context);
        !rule_.context.empty() && in_context && context_.excludes(*in_context))
        return std::nullopt;
    return rule_.target + (rule_.target.ends_with('/') ? "" : "/") + *relative;
}

Result<std::vector<compose::WatchRule>> watch_rules(const compose::LoadedProject& loaded,
                                                    const std::vector<std::string>& names) {
    std::vector<compose::WatchRule> rules = compose::find_watch_rules(loaded, names);
    if (!rules.empty()) return rules;
    return Error(ErrorKind::NotFound, "none of the services has something to be watched")
        .help("add 'develop' with 'watch' to one of them");
}

}  // namespace davit::cli
