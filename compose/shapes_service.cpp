#include "compose/shapes.h"
#include "compose/short_forms.h"

// One service. @source Compose spec 05-services.md
namespace davit::compose {
namespace {

constexpr const char* kWindows = "it means something on Windows only";

const Shape kCpuCount{.form = Form::Integer, .least = 0};
const Shape kCpuPercent{.form = Form::Integer, .least = 0, .most = 100};
const Shape kTruncated{.form = Form::Integer, .truncated = true};
const Shape kOomScore{.form = Form::Integer, .least = -1000, .most = 1000};
const Shape kKeptDuration{.form = Form::Duration, .keep_empty = true};
const Shape kSwap{.form = Form::Bytes, .negative = true};
const Shape kNumberAsText{.form = Form::String, .numbers = true};
const Shape kExpose{.form = Form::List, .element = &kNumberAsText, .identity = identity_name};
const Shape kGroups{.form = Form::List, .element = &kNumberAsText, .unique = true};
const Shape kPullPolicy{.form = Form::String, .rewrite = rewrite_pull_policy};
constexpr const char* kCgroupModes[] = {"host", "private"};
const Shape kCgroup{.form = Form::String, .words = kCgroupModes};

constexpr const char* kConditions[] = {"service_started", "service_healthy",
                                       "service_completed_successfully"};
const Shape kCondition{.form = Form::String, .words = kConditions};
constexpr Attribute kDependencyKeys[] = {
    {.name = "condition", .shape = &kCondition, .required = true},
    {.name = "required", .shape = &kKeptBoolean},
    {.name = "restart", .shape = &kBoolean},
};
const Shape kDependency{.form = Form::Mapping, .attributes = kDependencyKeys};
const Shape kDependencies{.form = Form::Table,
                          .element = &kDependency,
                          .rewrite = rewrite_dependencies,
                          .expected = "a list or a mapping"};

constexpr Attribute kDeviceKeys[] = {
    {.name = "source", .shape = &kString, .required = true},
    {.name = "target", .shape = &kString},
    {.name = "permissions", .shape = &kString},
};
const Shape kDevice{.form = Form::Mapping, .attributes = kDeviceKeys, .rewrite = rewrite_device};
const Shape kDevices{.form = Form::List, .element = &kDevice, .identity = identity_target};

constexpr Attribute kEnvFileKeys[] = {
    {.name = "path", .shape = &kHostPath, .required = true},
    {.name = "required", .shape = &kKeptBoolean},
    {.name = "format", .shape = &kString},
};
const Shape kEnvFile{.form = Form::Mapping, .attributes = kEnvFileKeys};
const Shape kEnvFiles{.form = Form::List,
                      .element = &kEnvFile,
                      .rewrite = rewrite_env_files,
                      .identity = identity_path};
const Shape kLabelFiles{.form = Form::List, .element = &kHostPath, .rewrite = rewrite_one_as_list};

constexpr Attribute kExtendsKeys[] = {
    {.name = "service", .shape = &kString, .required = true},
    {.name = "file", .shape = &kString},
};
const Shape kExtends{
    .form = Form::Mapping, .attributes = kExtendsKeys, .rewrite = rewrite_extends, .open = true};

const Shape kTest{.form = Form::List,
                  .element = &kString,
                  .rewrite = rewrite_test,
                  .merge = Merge::Replace,
                  .expected = "a string or a list"};
const Shape kRetries{.form = Form::Integer, .least = 0, .truncated = true, .keep_empty = true};
constexpr Attribute kHealthcheckKeys[] = {
    {.name = "test", .shape = &kTest},
    {.name = "interval", .shape = &kKeptDuration},
    {.name = "timeout", .shape = &kKeptDuration},
    {.name = "retries", .shape = &kRetries},
    {.name = "start_period", .shape = &kKeptDuration},
    {.name = "start_interval", .shape = &kKeptDuration},
    {.name = "disable", .shape = &kBoolean},
};
const Shape kHealthcheck{.form = Form::Mapping, .attributes = kHealthcheckKeys, .keep_empty = true};

constexpr Attribute kLoggingKeys[] = {
    {.name = "driver", .shape = &kString},
    {.name = "options", .shape = &kOptions},
};
const Shape kLogging{.form = Form::Mapping,
                     .attributes = kLoggingKeys,
                     .merge = Merge::SameDriver,
                     .keep_empty = true};

constexpr Attribute kCredentialKeys[] = {
    {.name = "config", .shape = &kString},
    {.name = "file", .shape = &kString},
    {.name = "registry", .shape = &kString},
};
const Shape kCredential{.form = Form::Mapping, .attributes = kCredentialKeys, .keep_empty = true};

const Shape kProviderValue{.form = Form::String, .numbers = true, .booleans = true};
const Shape kProviderValues{
    .form = Form::List, .element = &kProviderValue, .rewrite = rewrite_scalar_as_list};
const Shape kProviderOptions{.form = Form::Table, .element = &kProviderValues};
constexpr Attribute kProviderKeys[] = {
    {.name = "type", .shape = &kString, .required = true},
    {.name = "options", .shape = &kProviderOptions},
};
const Shape kProvider{.form = Form::Mapping, .attributes = kProviderKeys};

constexpr Attribute kServiceModelKeys[] = {
    {.name = "endpoint_var", .shape = &kString},
    {.name = "model_var", .shape = &kString},
};
const Shape kServiceModel{.form = Form::Mapping, .attributes = kServiceModelKeys, .nullable = true};
const Shape kServiceModels{
    .form = Form::Table, .element = &kServiceModel, .rewrite = rewrite_name_table};

const Shape kNumberOnly{.form = Form::Integer, .truncated = true};
constexpr Attribute kAttachmentKeys[] = {
    {.name = "aliases", .shape = &kUniqueStrings},
    {.name = "interface_name", .shape = &kString},
    {.name = "ipv4_address", .shape = &kString},
    {.name = "ipv6_address", .shape = &kString},
    {.name = "link_local_ips", .shape = &kUniqueStrings},
    {.name = "mac_address", .shape = &kString},
    {.name = "driver_opts", .shape = &kOptions},
    {.name = "priority", .shape = &kNumberOnly},
    {.name = "gw_priority", .shape = &kNumberOnly},
};
const Shape kAttachment{.form = Form::Mapping, .attributes = kAttachmentKeys, .nullable = true};
const Shape kAttachments{.form = Form::Table,
                         .element = &kAttachment,
                         .rewrite = rewrite_name_table,
                         .expected = "a list or a mapping"};

const Shape kHookCommand{.form = Form::List,
                         .element = &kString,
                         .rewrite = rewrite_command,
                         .nullable = true,
                         .keep_empty = true};
constexpr Attribute kPreStartKeys[] = {
    {.name = "command", .shape = &kHookCommand},
    {.name = "image", .shape = &kString},
    {.name = "user", .shape = &kString},
    {.name = "privileged", .shape = &kBoolean},
    {.name = "working_dir", .shape = &kString},
    {.name = "environment", .shape = &kEnvironment},
    {.name = "per_replica",
     .shape = &kBoolean,
     .support = Support::Partly,
     .remark = "not yet: true"},
};
const Shape kPreStart{.form = Form::Mapping, .attributes = kPreStartKeys};
const Shape kPreStarts{.form = Form::List, .element = &kPreStart};

constexpr Support kNotYet = Support::NotYet;
constexpr Support kPartly = Support::Partly;
constexpr Support kIgnored = Support::Ignored;

constexpr Attribute kServiceKeys[] = {
    {"annotations", &kLabels},
    {"attach", &kKeptBoolean},
    {"blkio_config", &kBlkio},
    {"build", &kBuild},
    {"cap_add", &kUniqueStrings},
    {"cap_drop", &kUniqueStrings},
    {"cgroup", &kCgroup},
    {"cgroup_parent", &kString},
    {.name = "command", .shape = &kCommand, .always = true},
    {"configs", &kFileReferences},
    {"container_name", &kString},
    {"cpu_count", &kCpuCount, kIgnored, kWindows},
    {"cpu_percent", &kCpuPercent, kIgnored, kWindows},
    {"cpu_period", &kTruncated},
    {"cpu_quota", &kTruncated},
    {"cpu_rt_period", &kTruncated},
    {"cpu_rt_runtime", &kTruncated},
    {"cpu_shares", &kTruncated},
    {"cpus", &kNumber},
    {"cpuset", &kString},
    {"credential_spec", &kCredential, kIgnored, kWindows},
    {"depends_on", &kDependencies, kPartly},
    {"deploy", &kDeploy},
    {"develop", &kDevelop},
    {"device_cgroup_rules", &kRepeatedStrings},
    {"devices", &kDevices, kPartly},
    {"dns", &kStringOrStrings},
    {"dns_opt", &kUniqueStrings},
    {"dns_search", &kStringOrStrings},
    {"domainname", &kString},
    {.name = "entrypoint", .shape = &kCommand, .always = true},
    {"env_file", &kEnvFiles},
    {"environment", &kEnvironment},
    {"expose", &kExpose},
    {"extends", &kExtends},
    {"external_links", &kRepeatedStrings},
    {"extra_hosts", &kExtraHosts},
    {"gpus", &kDeviceRequests},
    {"group_add", &kGroups},
    {"healthcheck", &kHealthcheck},
    {"hostname", &kString},
    {"image", &kString},
    {"init", &kKeptBoolean},
    {"ipc", &kString},
    {"isolation", &kString, kIgnored, kWindows},
    {"label_file", &kLabelFiles},
    {"labels", &kLabels},
    {"links", &kUniqueStrings},
    {"logging", &kLogging, kPartly},
    {"mac_address", &kString},
    {"mem_limit", &kBytes},
    {"mem_reservation", &kBytes},
    {"mem_swappiness", &kBytes, kIgnored,
     "the kernel has no such setting for one container any more"},
    {"memswap_limit", &kSwap},
    {"models", &kServiceModels, kIgnored, "davit runs no models"},
    {"network_mode", &kString},
    {"networks", &kAttachments},
    {"oom_kill_disable", &kBoolean, kIgnored, "the kernel has no such setting any more"},
    {"oom_score_adj", &kOomScore},
    {"pid", &kString},
    {"pids_limit", &kTruncated},
    {"platform", &kString},
    {"ports", &kPorts, kPartly},
    {"post_start", &kHooks},
    {"pre_start", &kPreStarts},
    {"pre_stop", &kHooks},
    {"privileged", &kBoolean},
    {"profiles", &kUniqueStrings},
    {"provider", &kProvider, kNotYet},
    {"pull_policy", &kPullPolicy},
    {"pull_refresh_after", &kString, kIgnored, "no release of Docker Compose reads it either"},
    {"read_only", &kBoolean},
    {"restart", &kString},
    {"runtime", &kString, kIgnored, "davit is its own runtime"},
    {"scale", &kKeptInteger},
    {"secrets", &kSecretReferences},
    {"security_opt", &kRepeatedStrings},
    {"shm_size", &kBytes},
    {"stdin_open", &kBoolean},
    {"stop_grace_period", &kKeptDuration},
    {"stop_signal", &kString},
    {"storage_opt", &kOptions},
    {"sysctls", &kKeyValues},
    {"tmpfs", &kStringOrStrings},
    {"tty", &kBoolean},
    {"ulimits", &kUlimits},
    {"use_api_socket", &kRealBoolean, kIgnored, "there is no daemon to talk to"},
    {"user", &kString},
    {"userns_mode", &kString},
    {"uts", &kString},
    {"volumes", &kVolumes, kPartly},
    {"volumes_from", &kRepeatedStrings, kPartly,
     "binds and volumes with a name; not what only the image has as VOLUME, and no container:NAME"},
    {"working_dir", &kString},
    {"x-davit", &kExtension},
};

}  // namespace

const Shape kServiceShape{.form = Form::Mapping, .attributes = kServiceKeys, .what = "service"};

}  // namespace davit::compose
