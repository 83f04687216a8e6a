#include "compose/shapes.h"
#include "compose/short_forms.h"

// `deploy` and `develop` of a service. @source Compose spec deploy.md, develop.md
namespace davit::compose {
namespace {

const Shape kInteger0{.form = Form::Integer, .least = 0};
const Shape kMemory{.form = Form::Bytes, .strings_only = true};
const Shape kCpus{.form = Form::Number};

constexpr Attribute kLimitKeys[] = {
    {.name = "cpus", .shape = &kCpus},
    {.name = "memory", .shape = &kMemory},
    {.name = "pids", .shape = &kInteger},
};
const Shape kLimits{.form = Form::Mapping, .attributes = kLimitKeys, .keep_empty = true};

constexpr Attribute kDiscreteKeys[] = {
    {.name = "kind", .shape = &kString},
    {.name = "value", .shape = &kInteger},
};
const Shape kDiscrete{.form = Form::Mapping, .attributes = kDiscreteKeys};
constexpr Attribute kGenericKeys[] = {{.name = "discrete_resource_spec", .shape = &kDiscrete}};
const Shape kGeneric{.form = Form::Mapping, .attributes = kGenericKeys};
const Shape kGenerics{.form = Form::List, .element = &kGeneric};

constexpr Attribute kReservationKeys[] = {
    {.name = "cpus",
     .shape = &kCpus,
     .support = Support::Ignored,
     .remark = "a share of processors is not reserved on one machine; use 'cpu_shares'"},
    {.name = "memory", .shape = &kMemory},
    {.name = "generic_resources",
     .shape = &kGenerics,
     .support = Support::Ignored,
     .remark = kSwarm},
    {.name = "devices", .shape = &kReservedDevices},
};
const Shape kReservations{
    .form = Form::Mapping, .attributes = kReservationKeys, .keep_empty = true};

constexpr Attribute kResourceKeys[] = {
    {.name = "limits", .shape = &kLimits},
    {.name = "reservations", .shape = &kReservations},
};
const Shape kResources{.form = Form::Mapping, .attributes = kResourceKeys, .keep_empty = true};

constexpr Attribute kRestartPolicyKeys[] = {
    {.name = "condition", .shape = &kString},
    {.name = "delay",
     .shape = &kDuration,
     .support = Support::Ignored,
     .remark = "davit waits longer after each failed start by itself"},
    {.name = "max_attempts", .shape = &kKeptInteger},
    {.name = "window",
     .shape = &kDuration,
     .support = Support::Ignored,
     .remark = "a start counts as good once the container has run for ten seconds"},
};
const Shape kRestartPolicy{
    .form = Form::Mapping, .attributes = kRestartPolicyKeys, .keep_empty = true};

constexpr const char* kOrders[] = {"start-first", "stop-first"};
const Shape kOrder{.form = Form::String, .words = kOrders};
constexpr Attribute kUpdateKeys[] = {
    {.name = "parallelism", .shape = &kKeptInteger},  {.name = "delay", .shape = &kDuration},
    {.name = "failure_action", .shape = &kString},    {.name = "monitor", .shape = &kDuration},
    {.name = "max_failure_ratio", .shape = &kNumber}, {.name = "order", .shape = &kOrder},
};
const Shape kUpdate{.form = Form::Mapping, .attributes = kUpdateKeys, .keep_empty = true};

constexpr Attribute kPreferenceKeys[] = {{.name = "spread", .shape = &kString}};
const Shape kPreference{.form = Form::Mapping, .attributes = kPreferenceKeys};
const Shape kPreferences{.form = Form::List, .element = &kPreference};
constexpr Attribute kPlacementKeys[] = {
    {.name = "constraints", .shape = &kStrings},
    {.name = "preferences", .shape = &kPreferences},
    {.name = "max_replicas_per_node", .shape = &kInteger0},
};
const Shape kPlacement{.form = Form::Mapping, .attributes = kPlacementKeys, .keep_empty = true};

constexpr Attribute kDeployKeys[] = {
    {.name = "mode", .shape = &kString, .support = Support::Ignored, .remark = kSwarm},
    {.name = "replicas", .shape = &kKeptInteger},
    {.name = "endpoint_mode", .shape = &kString, .support = Support::Ignored, .remark = kSwarm},
    {.name = "labels", .shape = &kLabels, .support = Support::Ignored, .remark = kSwarm},
    {.name = "placement",
     .shape = &kPlacement,
     .support = Support::Ignored,
     .remark = kSwarm,
     .always = true},
    {.name = "resources", .shape = &kResources, .always = true},
    {.name = "restart_policy", .shape = &kRestartPolicy},
    {.name = "update_config", .shape = &kUpdate, .support = Support::Ignored, .remark = kSwarm},
    {.name = "rollback_config", .shape = &kUpdate, .support = Support::Ignored, .remark = kSwarm},
};

constexpr const char* kActions[] = {"rebuild", "sync", "restart", "sync+restart", "sync+exec"};
const Shape kAction{.form = Form::String, .words = kActions};
constexpr Attribute kTriggerKeys[] = {
    {.name = "path", .shape = &kHostPath, .required = true},
    {.name = "action", .shape = &kAction, .required = true},
    {.name = "target", .shape = &kString},
    {.name = "ignore", .shape = &kStringOrStrings},
    {.name = "include", .shape = &kStringOrStrings},
    {.name = "exec", .shape = &kHook, .always = true},
    {.name = "initial_sync", .shape = &kRealBoolean},
};
const Shape kTrigger{.form = Form::Mapping, .attributes = kTriggerKeys};
const Shape kTriggers{.form = Form::List, .element = &kTrigger};
constexpr Attribute kDevelopKeys[] = {{.name = "watch", .shape = &kTriggers}};

}  // namespace

const Shape kDeploy{
    .form = Form::Mapping, .attributes = kDeployKeys, .nullable = true, .keep_empty = true};
const Shape kDevelop{
    .form = Form::Mapping, .attributes = kDevelopKeys, .nullable = true, .keep_empty = true};

}  // namespace davit::compose
