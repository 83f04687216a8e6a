#include "compose/shapes.h"
#include "compose/short_forms.h"

// Kinds of values that occur in many places.
namespace davit::compose {

const Shape kAny{.nullable = true};
const Shape kString{.form = Form::String};
const Shape kBoolean{.form = Form::Boolean};
const Shape kKeptBoolean{.form = Form::Boolean, .keep_empty = true};
const Shape kRealBoolean{.form = Form::Boolean, .strings_only = true};
const Shape kKeptInteger{.form = Form::Integer, .keep_empty = true};
const Shape kInteger{.form = Form::Integer};
const Shape kNumber{.form = Form::Number};
const Shape kBytes{.form = Form::Bytes};
const Shape kDuration{.form = Form::Duration};
const Shape kFileMode{.form = Form::Mode};
const Shape kHostPath{.form = Form::String, .rewrite = rewrite_host_path};

namespace {

const Shape kScalarOrNull{
    .form = Form::String, .nullable = true, .numbers = true, .booleans = true};
const Shape kScalarOrEmpty{.form = Form::String,
                           .nullable = true,
                           .numbers = true,
                           .booleans = true,
                           .null_is_empty = true};
const Shape kOptionValue{
    .form = Form::String, .nullable = true, .numbers = true, .null_is_empty = true};

}  // namespace

const Shape kStrings{.form = Form::List, .element = &kString};
const Shape kUniqueStrings{.form = Form::List, .element = &kString, .identity = identity_name};
const Shape kRepeatedStrings{.form = Form::List, .element = &kString, .unique = true};
const Shape kStringOrStrings{.form = Form::List,
                             .element = &kString,
                             .rewrite = rewrite_one_as_list,
                             .identity = identity_name};

const Shape kKeyValues{.form = Form::Table,
                       .element = &kScalarOrNull,
                       .rewrite = rewrite_key_values,
                       .expected = "a mapping or a list"};
const Shape kLabels{.form = Form::Table,
                    .element = &kScalarOrEmpty,
                    .rewrite = rewrite_labels,
                    .expected = "a mapping or a list"};
const Shape kEnvironment{.form = Form::Table,
                         .element = &kScalarOrNull,
                         .rewrite = rewrite_environment,
                         .expected = "a mapping or a list"};
const Shape kOptions{.form = Form::Table, .element = &kOptionValue};

const Shape kCommand{.form = Form::List,
                     .element = &kString,
                     .rewrite = rewrite_command,
                     .merge = Merge::Replace,
                     .nullable = true,
                     .keep_empty = true};
const Shape kExtraHosts{.form = Form::List,
                        .element = &kString,
                        .rewrite = rewrite_extra_hosts,
                        .identity = identity_text,
                        .expected = "a mapping or a list",
                        .sorted = true};

namespace {

const Shape kLimit{.form = Form::Integer, .keep_empty = true};
constexpr Attribute kUlimitKeys[] = {
    {.name = "soft", .shape = &kLimit, .required = true},
    {.name = "hard", .shape = &kLimit, .required = true},
};
const Shape kUlimit{.form = Form::Mapping,
                    .attributes = kUlimitKeys,
                    .rewrite = rewrite_ulimit,
                    .merge = Merge::Replace,
                    .expected = "a whole number or a mapping"};

}  // namespace

const Shape kUlimits{.form = Form::Table, .element = &kUlimit};

namespace {

constexpr Attribute kFileReferenceKeys[] = {
    {.name = "source", .shape = &kString, .required = true},
    {.name = "target", .shape = &kString},
    {.name = "uid", .shape = &kString},
    {.name = "gid", .shape = &kString},
    {.name = "mode", .shape = &kFileMode},
};
const Shape kFileReference{
    .form = Form::Mapping, .attributes = kFileReferenceKeys, .rewrite = rewrite_file_reference};

}  // namespace

const Shape kFileReferences{
    .form = Form::List, .element = &kFileReference, .identity = identity_target};
const Shape kSecretReferences{
    .form = Form::List, .element = &kFileReference, .identity = identity_secret};

namespace {

const Shape kHookWords{.form = Form::List,
                       .element = &kString,
                       .rewrite = rewrite_command,
                       .nullable = true,
                       .keep_empty = true};
constexpr Attribute kHookKeys[] = {
    {.name = "command", .shape = &kHookWords, .required = true, .always = true},
    {.name = "user", .shape = &kString},
    {.name = "privileged", .shape = &kBoolean},
    {.name = "working_dir", .shape = &kString},
    {.name = "environment", .shape = &kEnvironment},
};

}  // namespace

const Shape kHook{.form = Form::Mapping, .attributes = kHookKeys};
const Shape kHooks{.form = Form::List, .element = &kHook};

namespace {

const Shape kCount{.form = Form::Integer, .rewrite = rewrite_count, .keep_empty = true};

constexpr const char* kNoDriver = "the files of the Container Device Interface take no options";

constexpr Attribute kDeviceRequestKeys[] = {
    {.name = "capabilities", .shape = &kRepeatedStrings},
    {.name = "driver", .shape = &kString},
    {.name = "count", .shape = &kCount},
    {.name = "device_ids", .shape = &kRepeatedStrings},
    {.name = "options", .shape = &kLabels, .support = Support::Ignored, .remark = kNoDriver},
};
const Shape kDeviceRequest{.form = Form::Mapping, .attributes = kDeviceRequestKeys};

constexpr Attribute kReservedKeys[] = {
    {.name = "capabilities", .shape = &kRepeatedStrings, .required = true},
    {.name = "driver", .shape = &kString},
    {.name = "count", .shape = &kCount},
    {.name = "device_ids", .shape = &kRepeatedStrings},
    {.name = "options", .shape = &kLabels, .support = Support::Ignored, .remark = kNoDriver},
};
const Shape kReservedDevice{.form = Form::Mapping, .attributes = kReservedKeys};

}  // namespace

const Shape kDeviceRequests{
    .form = Form::List, .element = &kDeviceRequest, .rewrite = rewrite_gpus};
const Shape kReservedDevices{.form = Form::List, .element = &kReservedDevice};

}  // namespace davit::compose
