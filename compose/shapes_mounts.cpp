#include "compose/shapes.h"
#include "compose/short_forms.h"

// Long forms of `ports`, `volumes` and `blkio_config` of a service.
// @source Compose spec 05-services.md
namespace davit::compose {
namespace {

const Shape kTarget{.form = Form::Integer};
const Shape kPublished{.form = Form::String, .numbers = true};
constexpr Attribute kPortKeys[] = {
    {.name = "name", .shape = &kString},
    {.name = "mode", .shape = &kString},
    {.name = "host_ip", .shape = &kString},
    {.name = "target", .shape = &kTarget, .required = true},
    {.name = "published", .shape = &kPublished},
    {.name = "protocol", .shape = &kString},
    {.name = "app_protocol", .shape = &kString},
};
const Shape kPort{.form = Form::Mapping, .attributes = kPortKeys};

constexpr const char* kTypes[] = {"bind", "volume", "tmpfs", "cluster", "npipe", "image"};
const Shape kType{.form = Form::String, .words = kTypes};
constexpr const char* kRecursions[] = {"enabled", "disabled", "writable", "readonly"};
const Shape kRecursive{.form = Form::String, .words = kRecursions};
constexpr const char* kSelinuxLabels[] = {"z", "Z"};
const Shape kSelinux{.form = Form::String, .words = kSelinuxLabels};

constexpr Attribute kBindKeys[] = {
    {.name = "propagation", .shape = &kString},
    {.name = "create_host_path", .shape = &kBoolean},
    {.name = "recursive",
     .shape = &kRecursive,
     .support = Support::Partly,
     .remark = "not yet: writable"},
    {.name = "selinux", .shape = &kSelinux},
};
const Shape kBind{.form = Form::Mapping, .attributes = kBindKeys, .keep_empty = true};

constexpr Attribute kVolumeMountKeys[] = {
    {.name = "labels", .shape = &kLabels, .support = Support::NotYet},
    {.name = "nocopy", .shape = &kBoolean},
    {.name = "subpath", .shape = &kString},
};
const Shape kVolumeMount{.form = Form::Mapping, .attributes = kVolumeMountKeys, .keep_empty = true};

const Shape kDecimalMode{.form = Form::Mode, .decimal = true};
constexpr Attribute kTmpfsKeys[] = {
    {.name = "size", .shape = &kBytes},
    {.name = "mode", .shape = &kDecimalMode},
};
const Shape kTmpfs{.form = Form::Mapping, .attributes = kTmpfsKeys, .keep_empty = true};

constexpr Attribute kImageKeys[] = {{.name = "subpath", .shape = &kString}};
const Shape kImage{.form = Form::Mapping, .attributes = kImageKeys, .keep_empty = true};

constexpr Attribute kMountKeys[] = {
    {.name = "type", .shape = &kType, .required = true},
    {.name = "source", .shape = &kString},
    {.name = "target", .shape = &kString},
    {.name = "read_only", .shape = &kBoolean},
    {.name = "consistency",
     .shape = &kString,
     .support = Support::Ignored,
     .remark = "it means something on a Mac only"},
    {.name = "bind", .shape = &kBind},
    {.name = "volume", .shape = &kVolumeMount},
    {.name = "tmpfs", .shape = &kTmpfs},
    {.name = "image", .shape = &kImage},
};
const Shape kMount{.form = Form::Mapping, .attributes = kMountKeys, .rewrite = rewrite_volume};

const Shape kRate{.form = Form::Bytes};
constexpr Attribute kThrottleKeys[] = {
    {.name = "path", .shape = &kString},
    {.name = "rate", .shape = &kRate},
};
const Shape kThrottle{.form = Form::Mapping, .attributes = kThrottleKeys, .capitals = true};
const Shape kThrottles{.form = Form::List, .element = &kThrottle};
constexpr Attribute kWeightKeys[] = {
    {.name = "path", .shape = &kString},
    {.name = "weight", .shape = &kInteger},
};
const Shape kWeight{.form = Form::Mapping, .attributes = kWeightKeys, .capitals = true};
const Shape kWeights{.form = Form::List, .element = &kWeight};

constexpr Attribute kBlkioKeys[] = {
    {.name = "weight", .shape = &kInteger},
    {.name = "weight_device", .shape = &kWeights},
    {.name = "device_read_bps", .shape = &kThrottles},
    {.name = "device_read_iops", .shape = &kThrottles},
    {.name = "device_write_bps", .shape = &kThrottles},
    {.name = "device_write_iops", .shape = &kThrottles},
};

}  // namespace

const Shape kPorts{
    .form = Form::List, .element = &kPort, .rewrite = rewrite_ports, .identity = identity_port};
const Shape kVolumes{.form = Form::List, .element = &kMount, .identity = identity_mount};
const Shape kBlkio{.form = Form::Mapping, .attributes = kBlkioKeys, .keep_empty = true};

}  // namespace davit::compose
