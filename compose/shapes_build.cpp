#include "compose/shapes.h"
#include "compose/short_forms.h"

// `build` of a service. @source Compose spec build.md
namespace davit::compose {
namespace {

const Shape kContext{.form = Form::String, .rewrite = rewrite_build_context};
const Shape kContextValue{
    .form = Form::String, .nullable = true, .numbers = true, .booleans = true};
const Shape kContexts{.form = Form::Table,
                      .element = &kContextValue,
                      .rewrite = rewrite_contexts,
                      .expected = "a mapping or a list"};
const Shape kSsh{.form = Form::List,
                 .element = &kString,
                 .rewrite = rewrite_ssh,
                 .identity = identity_name,
                 .expected = "a mapping or a list"};
const Shape kTrueOrText{.form = Form::String, .rewrite = rewrite_true_or_text, .booleans = true};

constexpr Attribute kBuildKeys[] = {
    {.name = "context", .shape = &kContext},
    {.name = "dockerfile", .shape = &kString},
    {.name = "dockerfile_inline", .shape = &kString},
    {.name = "additional_contexts", .shape = &kContexts},
    {.name = "args", .shape = &kKeyValues},
    {.name = "cache_from",
     .shape = &kStrings,
     .support = Support::Partly,
     .remark = "what davit wrote with cache_to; gha, s3 and azblob are passed over"},
    {.name = "cache_to",
     .shape = &kStrings,
     .support = Support::Partly,
     .remark = "local, registry and inline; gha, s3 and azblob are passed over"},
    {.name = "entitlements", .shape = &kStrings},
    {.name = "extra_hosts", .shape = &kExtraHosts},
    {.name = "isolation",
     .shape = &kString,
     .support = Support::Ignored,
     .remark = "it means something on Windows only"},
    {.name = "labels", .shape = &kLabels},
    {.name = "network",
     .shape = &kString,
     .support = Support::Partly,
     .remark = "default, none and host"},
    {.name = "no_cache", .shape = &kBoolean},
    {.name = "no_cache_filter", .shape = &kStringOrStrings},
    {.name = "platforms",
     .shape = &kStrings,
     .support = Support::Partly,
     .remark = "this host's own platform"},
    {.name = "privileged", .shape = &kBoolean},
    {.name = "provenance",
     .shape = &kTrueOrText,
     .support = Support::Ignored,
     .remark = "davit writes no attestations"},
    {.name = "pull", .shape = &kBoolean},
    {.name = "sbom",
     .shape = &kTrueOrText,
     .support = Support::Ignored,
     .remark = "davit writes no attestations"},
    {.name = "secrets", .shape = &kSecretReferences},
    {.name = "shm_size", .shape = &kBytes},
    {.name = "ssh", .shape = &kSsh},
    {.name = "tags", .shape = &kUniqueStrings},
    {.name = "target", .shape = &kString},
    {.name = "ulimits", .shape = &kUlimits},
};

}  // namespace

const Shape kBuild{.form = Form::Mapping,
                   .attributes = kBuildKeys,
                   .rewrite = rewrite_build,
                   .expected = "a string or a mapping"};

}  // namespace davit::compose
