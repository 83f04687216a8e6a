#include "compose/shapes.h"
#include "compose/short_forms.h"

// The top level: networks, volumes, configs, secrets, models, include.
// @source Compose spec 06-networks.md to 09-secrets.md, 14-include.md
namespace davit::compose {
namespace {

const Shape kStringTable{.form = Form::Table, .element = &kString};

constexpr Attribute kPoolKeys[] = {
    {.name = "subnet", .shape = &kString},
    {.name = "ip_range", .shape = &kString},
    {.name = "gateway", .shape = &kString},
    {.name = "aux_addresses", .shape = &kStringTable},
};
const Shape kPool{.form = Form::Mapping, .attributes = kPoolKeys};
const Shape kPools{
    .form = Form::List, .element = &kPool, .identity = identity_subnet, .merge = Merge::SameItem};

constexpr Attribute kIpamKeys[] = {
    {.name = "driver", .shape = &kString},
    {.name = "config", .shape = &kPools},
    {.name = "options",
     .shape = &kStringTable,
     .support = Support::Ignored,
     .remark = "davit chooses addresses itself",
     .hidden = true},
};
const Shape kIpam{.form = Form::Mapping, .attributes = kIpamKeys, .keep_empty = true};

constexpr Attribute kNetworkKeys[] = {
    {.name = "name", .shape = &kString},
    {.name = "driver", .shape = &kString},
    {.name = "driver_opts", .shape = &kOptions},
    {.name = "attachable", .shape = &kBoolean, .support = Support::Ignored, .remark = kSwarm},
    {.name = "enable_ipv4", .shape = &kKeptBoolean},
    {.name = "enable_ipv6", .shape = &kKeptBoolean},
    {.name = "external", .shape = &kBoolean},
    {.name = "internal", .shape = &kBoolean},
    {.name = "ipam", .shape = &kIpam, .always = true},
    {.name = "labels", .shape = &kLabels},
};
const Shape kNetwork{.form = Form::Mapping,
                     .attributes = kNetworkKeys,
                     .rewrite = rewrite_external,
                     .what = "network",
                     .nullable = true};

constexpr Attribute kVolumeKeys[] = {
    {.name = "name", .shape = &kString},         {.name = "driver", .shape = &kString},
    {.name = "driver_opts", .shape = &kOptions}, {.name = "external", .shape = &kBoolean},
    {.name = "labels", .shape = &kLabels},
};
const Shape kVolume{.form = Form::Mapping,
                    .attributes = kVolumeKeys,
                    .rewrite = rewrite_local_volume,
                    .what = "volume",
                    .nullable = true};

const Shape kKeptString{.form = Form::String, .keep_empty = true};
constexpr Attribute kConfigKeys[] = {
    {.name = "name", .shape = &kString},
    {.name = "file", .shape = &kHostPath},
    {.name = "content", .shape = &kKeptString},
    {.name = "environment", .shape = &kString},
    {.name = "external", .shape = &kBoolean, .support = Support::Ignored, .remark = kSwarm},
    {.name = "labels", .shape = &kLabels, .support = Support::Ignored, .remark = kSwarm},
    {.name = "template_driver", .shape = &kString, .support = Support::Ignored, .remark = kSwarm},
};
const Shape kConfig{.form = Form::Mapping,
                    .attributes = kConfigKeys,
                    .rewrite = rewrite_external,
                    .what = "config"};

constexpr Attribute kSecretKeys[] = {
    {.name = "name", .shape = &kString},
    {.name = "file", .shape = &kHostPath},
    {.name = "environment", .shape = &kString},
    {.name = "external", .shape = &kBoolean, .support = Support::Ignored, .remark = kSwarm},
    {.name = "labels", .shape = &kLabels, .support = Support::Ignored, .remark = kSwarm},
    {.name = "driver", .shape = &kString, .support = Support::Ignored, .remark = kSwarm},
    {.name = "driver_opts", .shape = &kOptions, .support = Support::Ignored, .remark = kSwarm},
    {.name = "template_driver", .shape = &kString, .support = Support::Ignored, .remark = kSwarm},
};
const Shape kSecret{.form = Form::Mapping,
                    .attributes = kSecretKeys,
                    .rewrite = rewrite_external,
                    .what = "secret"};

constexpr Attribute kModelKeys[] = {
    {.name = "name", .shape = &kString},
    {.name = "model", .shape = &kString, .required = true},
    {.name = "context_size", .shape = &kInteger},
    {.name = "runtime_flags", .shape = &kStrings},
};
const Shape kModel{.form = Form::Mapping, .attributes = kModelKeys, .what = "model"};

const Shape kIncludePaths{.form = Form::List, .element = &kString, .rewrite = rewrite_one_as_list};
constexpr Attribute kIncludeKeys[] = {
    {.name = "path", .shape = &kIncludePaths, .required = true},
    {.name = "project_directory", .shape = &kString},
    {.name = "env_file", .shape = &kIncludePaths},
};
const Shape kInclude{
    .form = Form::Mapping, .attributes = kIncludeKeys, .rewrite = rewrite_include, .open = true};
const Shape kIncludes{.form = Form::List, .element = &kInclude};

const Shape kVersion{.form = Form::String, .rewrite = rewrite_version};
const Shape kServiceTable{.form = Form::Table, .element = &kServiceShape, .table_names = true};

constexpr Attribute kExtensionKeys[] = {
    {.name = "data_root", .shape = &kHostPath},
    {.name = "publish", .shape = &kString},
    {.name = "update", .shape = &kAny, .support = Support::NotYet},
    {.name = "balance", .shape = &kAny, .support = Support::NotYet},
};

}  // namespace

const Shape kExtension{.form = Form::Mapping, .attributes = kExtensionKeys};

const Shape kNetworkTable{.form = Form::Table, .element = &kNetwork, .table_names = true};
const Shape kVolumeTable{.form = Form::Table, .element = &kVolume, .table_names = true};
const Shape kConfigTable{.form = Form::Table, .element = &kConfig, .table_names = true};
const Shape kSecretTable{.form = Form::Table, .element = &kSecret, .table_names = true};
const Shape kModelTable{.form = Form::Table, .element = &kModel, .table_names = true};

namespace {

constexpr Attribute kProjectKeys[] = {
    {.name = "version", .shape = &kVersion},
    {.name = "name", .shape = &kString},
    {.name = "include", .shape = &kIncludes},
    {.name = "services", .shape = &kServiceTable},
    {.name = "networks", .shape = &kNetworkTable},
    {.name = "volumes", .shape = &kVolumeTable},
    {.name = "configs", .shape = &kConfigTable},
    {.name = "secrets", .shape = &kSecretTable},
    {.name = "models",
     .shape = &kModelTable,
     .support = Support::Ignored,
     .remark = "davit runs no models",
     .hidden = true},
    {.name = "x-davit", .shape = &kExtension},
};

}  // namespace

const Shape kProjectShape{.form = Form::Mapping, .attributes = kProjectKeys};

}  // namespace davit::compose
