#include "cli/plan_file.h"

#include "cli/plan_text.h"

#include <fmt/format.h>

namespace davit::cli {
namespace {

constexpr int kVersion = 1;
using Texts = std::vector<std::string>;

}  // namespace

Json plan_file(const stack::UpPreview& preview, const std::string& project, const UpFlags& flags) {
    Json json = plan_json(preview.plan, project);
    json["fingerprint"] = preview.fingerprint;
    json["flags"] = {{"services", flags.services},
                     {"force_recreate", flags.force_recreate},
                     {"no_recreate", flags.no_recreate},
                     {"always_recreate_deps", flags.always_recreate_deps},
                     {"no_deps", flags.no_deps},
                     {"renew_anon_volumes", flags.renew_anon_volumes},
                     {"remove_orphans", flags.remove_orphans},
                     {"scale", flags.scale}};
    return json;
}

Result<PlanFile> read_plan_file(const std::string& path) {
    const Json json = TRY(read_record(path, kVersion));
    Result<PlanFile> file =
        decode_json(json, fmt::format("plan file '{}'", path), [](const Json& j) {
            PlanFile read;
            read.project = j.at("project").get<std::string>();
            read.fingerprint = j.at("fingerprint").get<std::string>();
            const Json& flags = j.at("flags");
            read.flags.services = flags.at("services").get<Texts>();
            read.flags.scale = flags.at("scale").get<Texts>();
            read.flags.force_recreate = flags.at("force_recreate").get<bool>();
            read.flags.no_recreate = flags.at("no_recreate").get<bool>();
            read.flags.always_recreate_deps = flags.at("always_recreate_deps").get<bool>();
            read.flags.no_deps = flags.at("no_deps").get<bool>();
            read.flags.renew_anon_volumes = flags.at("renew_anon_volumes").get<bool>();
            read.flags.remove_orphans = flags.at("remove_orphans").get<bool>();
            return read;
        });
    if (file) return file;
    return std::move(file).error().help("make it with 'davit plan --out FILE'");
}

bool has_planning_flags(const UpFlags& flags) {
    return flags.force_recreate || flags.no_recreate || flags.always_recreate_deps ||
           flags.no_deps || flags.renew_anon_volumes || flags.remove_orphans ||
           !flags.scale.empty() || !flags.services.empty() || flags.build || !flags.pull.empty() ||
           flags.no_start;
}

void apply(const PlanFile& file, UpFlags& flags) {
    flags.services = file.flags.services;
    flags.scale = file.flags.scale;
    flags.force_recreate = file.flags.force_recreate;
    flags.no_recreate = file.flags.no_recreate;
    flags.always_recreate_deps = file.flags.always_recreate_deps;
    flags.no_deps = file.flags.no_deps;
    flags.renew_anon_volumes = file.flags.renew_anon_volumes;
    flags.remove_orphans = file.flags.remove_orphans;
    // Images that were looked at for the plan are those that it means.
    flags.no_build = true;
    flags.pull = "never";
}

}  // namespace davit::cli
